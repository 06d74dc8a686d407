"""The page that says how to cite the benchmark, a result on it, and the data."""

from collections.abc import Iterable

from leaderboard.web import about, links
from leaderboard.web.query import Query
from leaderboard.web.render import View
from leaderboard.web.site import Site


def page(site: Site, query: Query) -> View:
    """The benchmark's BibTeX; results and data have theirs on their own pages."""
    return View("cite.html", {"page": links.CITE, "bibtex": about.bibtex(site.repository)})


def paths(site: Site) -> Iterable[str]:
    """The one page."""
    return [links.CITE]
