"""Which differences between methods are statistically significant: paired tests of all pairs of a track.

With enough tasks there is a critical-difference diagram too (Friedman and Nemenyi; Demsar, 2006).
"""

from collections.abc import Iterable

from leaderboard.web import links
from leaderboard.web.query import Query
from leaderboard.web.render import View
from leaderboard.web.site import Site
from leaderboard.web.views.ranked import track_values
from metanas.evaluation.charts.critical import critical
from metanas.evaluation.paired import pairs

MOST = 20  # methods in the table of pairs and in the diagram


def page(site: Site, query: Query, track: str) -> View:
    """The tests of every pair of a track's best methods. Missing if there is no such track."""
    board = site.board(track)
    methods = [line.method for line in board.lines[:MOST]]
    compared = {frozenset((pair.a, pair.b)): pair for pair in pairs(board.views(methods))}
    friedman = board.friedman if len(board.lines) <= MOST else None
    title = "Critical difference (Friedman, Nemenyi)"
    pictures = (
        {"critical": critical(title, friedman.mean_ranks, friedman.critical_difference)} if friedman else {}
    )
    return View(
        "significance.html",
        {
            **track_values(site, board, "significance.html"),
            "methods": methods,
            "compared": compared,
            "pair": lambda a, b: compared[frozenset((a, b))],
            "friedman": friedman,
            "most": MOST,
        },
        pictures,
    )


def paths(site: Site) -> Iterable[str]:
    """The page of every track."""
    return [links.board(track, "significance.html") for track in site.tracks.values()]
