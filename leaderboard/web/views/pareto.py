"""Accuracy against one cost of every method of a track, with the Pareto front: a picture and its table.

The API's /api/v1/pareto returns the same values.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from leaderboard.ranking.board import Board, Line
from leaderboard.web import links
from leaderboard.web.query import Query, QueryError
from leaderboard.web.render import View
from leaderboard.web.site import Site
from leaderboard.web.views.ranked import track_values
from metanas.evaluation.charts.pareto import Point, front, pareto
from metanas.evaluation.result import Costs

COSTS: dict[str, tuple[str, Callable[[Costs], float]]] = {  # name in the address -> (label, value)
    "parameters": ("parameters", lambda c: c.parameters),
    "training": ("meta-training, seconds per seed", lambda c: c.train_seconds),
    "memory": ("peak memory, MiB", lambda c: c.peak_bytes / 2**20),
}


def page(site: Site, query: Query, track: str, cost: str) -> View:
    """The page of one cost, a key of COSTS; QueryError for another, Missing if there is no such track.

    Seconds and memory are only compared between results of the same hardware, the most frequent one.
    """
    if cost not in COSTS:
        raise QueryError(f"there is no cost {cost!r}; there are: {', '.join(COSTS)}")
    board = site.board(track)
    label, value = COSTS[cost]
    machine, lines = _one_machine(board) if cost != "parameters" else (None, board.lines)
    points = [_point(line, value(line.standing.document.costs)) for line in lines]
    drawn = [point for point in points if point.cost > 0]  # the axis is logarithmic
    return View(
        "pareto.html",
        {
            **track_values(site, board, "pareto-parameters.html"),
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
    return Point(line.method, *line.overall.percents, float(cost))


def _one_machine(board: Board) -> tuple[str | None, Sequence[Line]]:
    """The hardware that most results of a board were measured on, and their lines.

    None and all lines if every result was measured on the same.
    """
    counts = Counter(_cpu(line) for line in board.lines)
    if len(counts) == 1:
        return None, board.lines
    most_frequent = min(counts, key=lambda cpu: (-counts[cpu], cpu))
    return most_frequent, [line for line in board.lines if _cpu(line) == most_frequent]


def _cpu(line: Line) -> str:
    environment = line.standing.document.environment
    device = environment.get("device", "cpu")
    return environment.get("cpu", "unknown") if device == "cpu" else device


def paths(site: Site) -> Iterable[str]:
    """The page of every cost for every track."""
    for track in site.tracks.values():
        for cost in COSTS:
            yield links.board(track, f"pareto-{cost}.html")
