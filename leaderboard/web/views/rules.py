"""The rules, and how every number on the site is made."""

from collections.abc import Iterable

from leaderboard.web import links
from leaderboard.web.query import Query
from leaderboard.web.render import View
from leaderboard.web.site import Site
from leaderboard.web.views.ranked import frame
from metanas.evaluation.paired import LEVEL, ROPE
from metanas.evaluation.stats import DRAWS


def page(site: Site, query: Query) -> View:
    values = {"level": 100 * LEVEL, "rope": 100 * ROPE, "draws": DRAWS}
    return View("rules.html", {**frame(site, links.RULES), **values})


def paths(site: Site) -> Iterable[str]:
    return [links.RULES]
