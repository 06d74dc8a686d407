"""The rules, and how every number on the site is made."""

from collections.abc import Iterable

from leaderboard.accounts.quota import DAY, DEFAULT
from leaderboard.web import links
from leaderboard.web.query import Query
from leaderboard.web.render import View
from leaderboard.web.site import Site
from leaderboard.web.views.ranked import frame
from metanas.evaluation.paired import LEVEL, ROPE
from metanas.evaluation.stats import DRAWS

SECTIONS = (  # the anchor and the heading of each part of the page
    ("enter", "How to enter"),
    ("counts", "What counts"),
    ("tiers", "Tiers"),
    ("numbers", "How a number is made"),
    ("transfer", "Transfer studies"),
    ("disputes", "Disputes"),
)


def page(site: Site, query: Query) -> View:
    """With the limits that a board has unless its administrator says otherwise."""
    values = {
        "sections": SECTIONS,
        "limits": _limits,
        "level": 100 * LEVEL,
        "rope": 100 * ROPE,
        "draws": DRAWS,
    }
    return View("rules.html", {**frame(site, links.RULES), **values})


def _limits(kind: str) -> str:
    """10 times a day and 60 times in 30 days"""
    words = [
        f"{most} times {'a day' if window == DAY else f'in {window / DAY:g} days'}"
        for most, window in DEFAULT[kind]
    ]
    return " and ".join(words)


def paths(site: Site) -> Iterable[str]:
    return [links.RULES]
