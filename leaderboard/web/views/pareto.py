"""Accuracy against one cost of every method of a track, with the Pareto front: a picture and its table.

Costs are what the entrants declare. Seconds and memory are only compared between results of the same
hardware, so there is a table for each, and a picture of the first. The API's /api/v1/pareto returns the same
values.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Group:
    """The results of one kind of hardware, cheapest first; machine: None if it does not matter."""

    machine: str | None
    points: tuple[Point, ...]
    front: frozenset[str]

    @property
    def drawn(self) -> list[Point]:
        """The points with a place on a logarithmic axis."""
        return [point for point in self.points if point.cost > 0]


def page(site: Site, query: Query, track: str, cost: str) -> View:
    """The page of one cost, a key of COSTS; QueryError for another, Missing if there is no such track."""
    if cost not in COSTS:
        raise QueryError(f"there is no cost {cost!r}; there are: {', '.join(COSTS)}")
    board = site.board(track)
    label, value = COSTS[cost]
    machines = _machines(board) if cost != "parameters" else {None: list(board.lines)}
    groups = [_group(name, lines, value) for name, lines in machines.items()]
    drawn = groups[0].drawn
    return View(
        "pareto.html",
        {
            **track_values(site, board, "pareto-parameters.html"),
            "groups": groups,
            "cost": cost,
            "costs": {name: links.board(board.track, f"pareto-{name}.html") for name in COSTS},
            "label": label,
        },
        {"pareto": pareto(f"Accuracy and {label}", drawn, label)} if drawn else {},
    )


def _point(line: Line, cost: float) -> Point:
    return Point(line.method, *line.overall.percents, float(cost))


def _group(machine: str | None, lines: Sequence[Line], value: Callable[[Costs], float]) -> Group:
    points = [_point(line, value(line.standing.document.costs)) for line in lines]
    cheapest = sorted(points, key=lambda p: (p.cost, -p.accuracy))
    return Group(machine, tuple(cheapest), frozenset(front([p for p in points if p.cost > 0])))


def _machines(board: Board) -> dict[str | None, list[Line]]:
    """The lines of a board by the hardware they were measured on; {None: all} if there is only one.

    First the hardware of most results that the administrator added, so that no entrant moves them from there.
    """
    by_name: dict[str | None, list[Line]] = {}
    for line in board.lines:
        by_name.setdefault(_cpu(line), []).append(line)
    if len(by_name) == 1:
        return {None: list(board.lines)}

    def weight(name: str | None) -> tuple[int, int, str]:
        ours = sum(line.standing.owner is None for line in by_name[name])
        return -ours, -len(by_name[name]), str(name)

    return {name: by_name[name] for name in sorted(by_name, key=weight)}


def _cpu(line: Line) -> str:
    environment = line.standing.document.environment
    device = environment.get("device", "cpu")
    return environment.get("cpu", "unknown") if device == "cpu" else device


def paths(site: Site) -> Iterable[str]:
    """The page of every cost for every track."""
    for track in site.tracks.values():
        for cost in COSTS:
            yield links.board(track, f"pareto-{cost}.html")
