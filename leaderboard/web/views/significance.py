"""Which differences between methods are statistically significant: with the best, with a baseline, all pairs.

Of a family of near-identical methods the first is compared. The baseline is `?baseline=` or, without it, the
method that was accepted first.

With enough tasks there is a critical-difference diagram too (Friedman and Nemenyi; Demsar, 2006).
"""

from collections.abc import Iterable

from leaderboard.ranking.board import MOST_PAIRED, Board
from leaderboard.web import links
from leaderboard.web.query import Query, QueryError
from leaderboard.web.render import View
from leaderboard.web.site import Site
from leaderboard.web.views.menu import track_values
from metanas.evaluation import tables
from metanas.evaluation.charts.critical import critical


def page(site: Site, query: Query, track: str) -> View:
    """The comparisons of a track's methods. Missing: no such track; QueryError: no such baseline."""
    board = site.board(track)
    baseline = _baseline(board, query)
    friedman = board.friedman if len(board.lines) <= MOST_PAIRED else None
    title = "Critical difference (Friedman, Nemenyi)"
    pictures = (
        {"critical": critical(title, friedman.mean_ranks, friedman.critical_difference)} if friedman else {}
    )
    return View(
        "significance.html",
        {
            **track_values(site, board, "significance.html"),
            "methods": list(board.founders[:MOST_PAIRED]),
            "best": board.lines,
            "resolution": tables.resolution(board.resolution),
            "baseline": baseline,
            "against": board.against(baseline),
            "founders": board.founders,
            "pair": lambda a, b: board.best_pairs[frozenset((a, b))],
            "friedman": friedman,
            "most": MOST_PAIRED,
        },
        pictures,
    )


def _baseline(board: Board, query: Query) -> str:
    """The method to compare all with, of a family its first; by default the one that was accepted first."""
    by_slug = {links.name(line.method): line for line in board.lines}
    slug = next(reversed(query.get("baseline", ())), "")
    if slug and slug not in by_slug:
        raise QueryError(f"baseline={slug[:64]}: no such method on this board")
    if slug:
        return by_slug[slug].place.family
    return min(board.lines, key=lambda line: (line.standing.accepted, line.standing.id)).method


def paths(site: Site) -> Iterable[str]:
    """The page of every track."""
    return [links.board(track, "significance.html") for track in site.tracks.values()]
