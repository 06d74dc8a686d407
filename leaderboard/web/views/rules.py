"""The page of the rules, and of how every number on the site is computed. Its text is in `rules.html`."""

from collections.abc import Iterable

from leaderboard.accounts import disputes
from leaderboard.accounts.quota import DAY, DEFAULT
from leaderboard.challenge.outcome import MARGIN
from leaderboard.web import links
from leaderboard.web.query import Query
from leaderboard.web.render import View
from leaderboard.web.site import Site
from metanas.evaluation.paired import LEVEL, ROPE
from metanas.evaluation.statistics import DRAWS

SECTIONS = (  # the anchor and the heading of each part of the page
    ("enter", "How to enter"),
    ("counts", "What counts"),
    ("tiers", "Tiers"),
    ("numbers", "How a number is made"),
    ("transfer", "Transfer studies"),
    ("disputes", "Disputes"),
)


def page(site: Site, query: Query) -> View:
    """The rules, with the default limits per account and the constants of the statistics."""
    values = {
        "sections": SECTIONS,
        "limits": _limits,
        "level": 100 * LEVEL,
        "rope": 100 * ROPE,
        "draws": DRAWS,
        "margin": 100 * MARGIN,
        "most_open": disputes.MOST_OPEN,
        "enough": disputes.ENOUGH,
    }
    return View("rules.html", {"page": links.RULES, **values})


def _limits(kind: str) -> str:
    """The default limits of an action in words, e.g. 10 times a day and 60 times in 30 days."""
    phrases = [
        f"{most} times {'a day' if window == DAY else f'in {window / DAY:g} days'}"
        for most, window in DEFAULT[kind]
    ]
    return " and ".join(phrases)


def paths(site: Site) -> Iterable[str]:
    """The one page."""
    return [links.RULES]
