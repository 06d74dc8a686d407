"""The address of every page, relative to the site's root; the same on the server and in a static export.

Pages link to each other with relative links (`relative`), so a site works at the root of a host, below a
path, or opened from a folder. A track may be given by its name or by its slug.
"""

from posixpath import commonprefix

from leaderboard.bundle.slugs import name as name
from leaderboard.bundle.slugs import slug as slug

HOME = "index.html"
RULES = "rules.html"
TRANSFER = "transfer.html"
DOMAINS = "domains.html"
SUBMIT = "submit.html"
API = "api.html"
CITE = "cite.html"


def board(track: str, page: str = "index.html") -> str:
    """A page of a track; by default its ranked table."""
    return f"{slug(track)}/{page}"


def method(track: str, method: str) -> str:
    """The page of a method on a track."""
    return board(track, f"methods/{name(method)}.html")


def task(track: str, task: str) -> str:
    """The page of a task on a track."""
    return board(track, f"tasks/{slug(task)}.html")


def domain(domain: str) -> str:
    """The page of a domain, which all tracks share."""
    return f"domains/{slug(domain)}.html"


def comparison(track: str, first: str, second: str) -> str:
    """The page of one pair of methods in a static export; the server compares with a query instead."""
    return board(track, f"compare/{name(first)}/{name(second)}.html")


def study(name: str, form: str = "html") -> str:
    """A transfer study by its path, <suite>/<method>; form: html or json."""
    return f"transfer/{name}.{form}"


def submission(identity: str) -> str:
    """The page of a submission by its id."""
    return f"submissions/{slug(identity)}.html"


def file(identity: str, name: str) -> str:
    """A file of a submission to download."""
    return f"submissions/{slug(identity)}/{name}"


def picture(page: str, name: str, theme: str) -> str:
    """The SVG of the picture `name` on the page at the address `page`; theme: light or dark."""
    return f"{page.removesuffix('.html')}.{name}.{theme}.svg"


def relative(target: str, page: str) -> str:
    """The link from the page at the address `page` to the address `target`, a file; as posixpath.relpath.

    A page of a thousand methods has a thousand, and relpath asks the system where the process is.
    """
    here, there = page.split("/")[:-1], target.split("/")
    shared = len(commonprefix([here, there[:-1]]))  # folders
    return "../" * (len(here) - shared) + "/".join(there[shared:])
