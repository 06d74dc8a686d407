"""Addresses of pages, the same on the server and in a static export, always with relative links.

So a site works at any place: on a host's root, below a path, or opened from a folder.
"""

import re
from posixpath import dirname, relpath

HOME = "index.html"
RULES = "rules.html"
TRANSFER = "transfer.html"


def slug(text: str) -> str:
    """A text as part of an address: lower case letters, digits and single hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"


def name(method: str) -> str:
    """A method in an address: itself, where its name may stand there (as all that are submitted)."""
    return method if re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", method) else slug(method)


def board(track: str, page: str = "index.html") -> str:
    """A page of a track."""
    return f"{slug(track)}/{page}"


def method(track: str, method: str) -> str:
    return board(track, f"methods/{name(method)}.html")


def task(track: str, task: str) -> str:
    return board(track, f"tasks/{slug(task)}.html")


def comparison(track: str, first: str, second: str) -> str:
    """The page of one pair in a static export."""
    return board(track, f"compare/{name(first)}/{name(second)}.html")


def study(name: str, form: str = "html") -> str:
    """A transfer study by its path."""
    return f"transfer/{name}.{form}"


def submission(identity: str) -> str:
    return f"submissions/{slug(identity)}.html"


def picture(page: str, name: str, theme: str) -> str:
    """The SVG of a page's picture."""
    return f"{page.removesuffix('.html')}.{name}.{theme}.svg"


def relative(target: str, page: str) -> str:
    """`target` as a link on `page`."""
    return relpath(target, dirname(page) or ".")
