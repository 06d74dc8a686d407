"""The comparison of two to six methods: paired differences per task and overall, with their tests.

Two methods alone also get a scatter plot of their accuracies on every episode.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations

from leaderboard.ranking.board import Board
from leaderboard.web import links
from leaderboard.web.query import Query, QueryError
from leaderboard.web.render import Missing, View
from leaderboard.web.site import Site
from leaderboard.web.views.menu import track_values
from metanas.evaluation.charts.forest import Difference, forest, scatter
from metanas.evaluation.charts.theme import Spec
from metanas.evaluation.paired import ROPE, Pair, pairs
from metanas.evaluation.statistics import difference

MOST = 6  # methods in one comparison
IN_EXPORT = 8  # a static site has a page for each pair of this many best methods
POINTS = 2_000  # in the scatter plot, at most


def page(site: Site, query: Query, track: str) -> View:
    """The comparison of the methods in `?m=a&m=b`; without any, with one or with too many, a form to choose.

    Missing if there is no such track; QueryError for an unknown method.
    """
    board = site.board(track)
    by_slug = {links.name(line.method): line.method for line in board.lines}
    slugs = list(dict.fromkeys(query.get("m", ())))
    if unknown := [slug for slug in slugs if slug not in by_slug]:
        raise QueryError(f"m={unknown[0][:64]}: no such method on this board")
    methods = [by_slug[slug] for slug in slugs]
    if methods and not 2 <= len(methods) <= MOST:
        refused = f"2 to {MOST} methods can be compared; {len(methods)} chosen so far."
        return _view(site, board, [], ticked=methods, refused=refused)
    return _view(site, board, methods, ticked=methods)


def pair_page(site: Site, query: Query, track: str, a: str, b: str) -> View:
    """The comparison of one pair at an address without a query, for a static export. Missing if not on it."""
    board = site.board(track)
    by_slug = {links.name(line.method): line.method for line in board.lines}
    if a not in by_slug or b not in by_slug or a == b:
        raise Missing(f"no pair {a!r}, {b!r} on {track}")
    return _view(site, board, [by_slug[a], by_slug[b]])


def _differences(board: Board, methods: Sequence[str]) -> list[Difference]:
    """The paired difference of each pair on each task, in points of accuracy; p-values are not adjusted."""
    differences = []
    for task in board.tasks:
        for a, b in combinations(methods, 2):
            views = board.views([a, b])
            estimate = difference({task.name: views[a][task.name]}, {task.name: views[b][task.name]})
            interval = estimate.interval()
            low, mean, high = (100 * v for v in (interval.low, interval.mean, interval.high))
            differences.append(Difference(task.name, f"{a} - {b}", mean, low, high, estimate.p()))
    return differences


def _view(
    site: Site, board: Board, methods: Sequence[str], *, ticked: Sequence[str] = (), refused: str = ""
) -> View:
    by_task = _differences(board, methods)
    compared: list[Pair] = pairs(board.views(methods)) if methods else []
    pairs_shown = list(combinations([line.method for line in board.lines[:IN_EXPORT]], 2))
    return View(
        "compare.html",
        {
            **track_values(site, board, "compare.html"),
            "methods": methods,
            "ticked": ticked,
            "refused": refused,
            "compared": compared,
            "differences": by_task,
            "rope": 100 * ROPE,
            "most": MOST,
            "pairs": pairs_shown,
        },
        _pictures(board, methods, by_task),
    )


def _pictures(board: Board, methods: Sequence[str], by_task: Sequence[Difference]) -> dict[str, Spec]:
    if not methods:
        return {}
    title = (
        "Paired differences per task" if len(methods) > 2 else f"{methods[0]} minus {methods[1]}, per task"
    )
    pictures = {"forest": forest(title, by_task, 100 * ROPE)}
    if len(methods) == 2:
        views = board.views(methods)
        first, second = (views[name] for name in methods)
        rows = [
            (task.name, round(100 * float(x), 2), round(100 * float(y), 2))
            for task in board.tasks
            for x, y in zip(first[task.name].mean(0), second[task.name].mean(0), strict=True)
        ]
        stride = max(1, -(-len(rows) // POINTS))
        pictures["scatter"] = scatter(
            "Every episode, mean over seeds", methods[0], methods[1], rows[::stride]
        )
    return pictures


def paths(site: Site) -> Iterable[str]:
    """The comparison of every track, with no methods chosen."""
    return [links.board(track, "compare.html") for track in site.tracks.values()]


def pair_paths(site: Site) -> Iterable[str]:
    """The pairs of the best methods of every track."""
    for slug, track in site.tracks.items():
        for a, b in combinations([line.method for line in site.board(slug).lines[:IN_EXPORT]], 2):
            yield links.comparison(track, a, b)
