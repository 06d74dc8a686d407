"""Which differences can be told from luck: paired tests over all pairs, and the critical difference."""

from collections.abc import Iterable

from leaderboard.web import links
from leaderboard.web.query import Query
from leaderboard.web.render import View
from leaderboard.web.site import Site
from leaderboard.web.views.ranked import of_track
from metanas.evaluation.charts.critical import critical
from metanas.evaluation.paired import pairs

MOST = 20  # methods in the table of pairs and in the diagram


def page(site: Site, query: Query, track: str) -> View:
    """The best methods of a track, every pair of them."""
    board = site.board(track)
    methods = [line.method for line in board.lines[:MOST]]
    compared = {frozenset((pair.a, pair.b)): pair for pair in pairs(board.views(methods))}
    found = board.friedman if len(board.lines) <= MOST else None
    title = "Critical difference (Friedman, Nemenyi)"
    pictures = {"critical": critical(title, found.mean_ranks, found.critical_difference)} if found else {}
    return View(
        "significance.html",
        {
            **of_track(site, board, "significance.html"),
            "methods": methods,
            "compared": compared,
            "pair": lambda a, b: compared[frozenset((a, b))],
            "friedman": found,
            "most": MOST,
        },
        pictures,
    )


def paths(site: Site) -> Iterable[str]:
    return [links.board(track, "significance.html") for track in site.tracks.values()]
