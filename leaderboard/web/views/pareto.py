"""Accuracy against what it costs, with the table behind the picture."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from leaderboard.board import Board, Line
from leaderboard.web import links
from leaderboard.web.query import Query, QueryError
from leaderboard.web.render import View
from leaderboard.web.site import Site
from leaderboard.web.views.ranked import of_track
from metanas.evaluation.charts.pareto import Point, front, pareto
from metanas.evaluation.result import Costs

COSTS: dict[str, tuple[str, Callable[[Costs], float]]] = {
    "parameters": ("parameters", lambda c: c.parameters),
    "training": ("meta-training, seconds per seed", lambda c: c.train_seconds),
    "memory": ("peak memory, MiB", lambda c: c.peak_bytes / 2**20),
}


def page(site: Site, query: Query, track: str, cost: str) -> View:
    """One picture a cost. Seconds and memory are only compared within one kind of hardware."""
    if cost not in COSTS:
        raise QueryError(f"there is no cost {cost!r}; there are: {', '.join(COSTS)}")
    board = site.board(track)
    label, of = COSTS[cost]
    machine, lines = _one_machine(board) if cost != "parameters" else (None, board.lines)
    points = [_point(line, of(line.standing.document.costs)) for line in lines]
    drawn = [point for point in points if point.cost > 0]
    return View(
        "pareto.html",
        {
            **of_track(site, board, "pareto-parameters.html"),
            "points": sorted(points, key=lambda p: (p.cost, -p.accuracy)),
            "front": front(drawn),
            "cost": cost,
            "costs": {name: links.board(board.track, f"pareto-{name}.html") for name in COSTS},
            "label": label,
            "machine": machine,
            "left_out": len(board.lines) - len(lines),
            "free": len(points) - len(drawn),
        },
        {"pareto": pareto(f"Accuracy and {label}", drawn, label)} if drawn else {},
    )


def _point(line: Line, cost: float) -> Point:
    mean, low, high = (100 * v for v in (line.overall.mean, line.overall.low, line.overall.high))
    return Point(line.method, mean, low, high, float(cost))


def _one_machine(board: Board) -> tuple[str | None, Sequence[Line]]:
    """The hardware that most results of a board were measured on, and those; None if it is all the same."""
    counts = Counter(_cpu(line) for line in board.lines)
    if len(counts) == 1:
        return None, board.lines
    most = min(counts, key=lambda cpu: (-counts[cpu], cpu))
    return most, [line for line in board.lines if _cpu(line) == most]


def _cpu(line: Line) -> str:
    return line.standing.document.environment.get("cpu", "unknown")


def paths(site: Site) -> Iterable[str]:
    for track in site.tracks.values():
        for cost in COSTS:
            yield links.board(track, f"pareto-{cost}.html")
