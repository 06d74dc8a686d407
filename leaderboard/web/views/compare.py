"""Two to six methods side by side: paired differences per task, episodes, tests, wins."""

from collections.abc import Iterable, Sequence
from itertools import combinations

from leaderboard.board import Board
from leaderboard.web import links
from leaderboard.web.query import Query, QueryError
from leaderboard.web.render import Missing, View
from leaderboard.web.site import Site
from leaderboard.web.views.ranked import of_track
from metanas.evaluation.charts.forest import Difference, forest, scatter
from metanas.evaluation.charts.theme import Spec
from metanas.evaluation.paired import ROPE, Pair, pairs
from metanas.evaluation.stats import difference

MOST = 6
IN_EXPORT = 8  # a static site has a page for each pair of the best so many
POINTS = 2_000  # in the scatter plot


def page(site: Site, query: Query, track: str) -> View:
    """The methods named by `?m=a&m=b`, or a form to choose them. QueryError for fewer than 2 or over 6."""
    board = site.board(track)
    by_slug = {links.name(line.method): line.method for line in board.lines}
    wanted = list(dict.fromkeys(query.get("m", ())))
    if unknown := [name for name in wanted if name not in by_slug]:
        raise QueryError(f"m={unknown[0][:64]}: no such method on this board")
    if wanted and not 2 <= len(wanted) <= MOST:
        raise QueryError(f"2 to {MOST} methods can be compared, got {len(wanted)}")
    return _view(site, board, [by_slug[name] for name in wanted])


def two(site: Site, query: Query, track: str, a: str, b: str) -> View:
    """The page of one pair, for a static export."""
    board = site.board(track)
    by_slug = {links.name(line.method): line.method for line in board.lines}
    if a not in by_slug or b not in by_slug or a == b:
        raise Missing(f"no pair {a!r}, {b!r} on {track}")
    return _view(site, board, [by_slug[a], by_slug[b]])


def differences(board: Board, methods: Sequence[str]) -> list[Difference]:
    """Per task and pair the paired difference in points of accuracy, in the order of the methods."""
    found = []
    for task in board.tasks:
        for a, b in combinations(methods, 2):
            views = board.views([a, b])
            estimate = difference({task.name: views[a][task.name]}, {task.name: views[b][task.name]})
            interval = estimate.interval()
            low, mean, high = (100 * v for v in (interval.low, interval.mean, interval.high))
            found.append(Difference(task.name, f"{a} - {b}", mean, low, high, estimate.p()))
    return found


def _view(site: Site, board: Board, methods: Sequence[str]) -> View:
    by_task = differences(board, methods)
    compared: list[Pair] = pairs(board.views(methods)) if methods else []
    pairs_shown = list(combinations([line.method for line in board.lines[:IN_EXPORT]], 2))
    return View(
        "compare.html",
        {
            **of_track(site, board, "compare.html"),
            "methods": methods,
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
    made = {"forest": forest(title, by_task, 100 * ROPE)}
    if len(methods) == 2:
        views = board.views(methods)
        first, second = (views[name] for name in methods)
        rows = [
            (task.name, round(100 * float(x), 2), round(100 * float(y), 2))
            for task in board.tasks
            for x, y in zip(first[task.name].mean(0), second[task.name].mean(0), strict=True)
        ]
        each = max(1, -(-len(rows) // POINTS))
        made["scatter"] = scatter("Every episode, mean over seeds", methods[0], methods[1], rows[::each])
    return made


def paths(site: Site) -> Iterable[str]:
    return [links.board(track, "compare.html") for track in site.tracks.values()]


def pair_paths(site: Site) -> Iterable[str]:
    for slug, track in site.tracks.items():
        for a, b in combinations([line.method for line in site.board(slug).lines[:IN_EXPORT]], 2):
            yield links.comparison(track, a, b)
