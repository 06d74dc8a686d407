"""Accuracy against one cost of every method of a track, with the Pareto front: a picture and its table.

Costs are what the entrants declare, but for the MACs of a query where they follow from the architectures
(`bundle/recount.py`). Seconds and memory are only compared between results of the same
hardware, so there is a table for each, and a picture of the first; operations and parameters are the same on
any. The API's /api/v1/pareto returns the same values.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from leaderboard.ranking.board import Board, Line
from leaderboard.ranking.standing import Standing
from leaderboard.web import links, machines
from leaderboard.web.query import Query, QueryError
from leaderboard.web.render import View
from leaderboard.web.site import Site
from leaderboard.web.views.menu import track_values
from metanas.evaluation.charts.pareto import Point, front, pareto


class Cost(NamedTuple):
    """A cost by which methods are compared. value: None where a result does not state it."""

    title: str  # in the menu
    label: str  # with its unit
    value: Callable[[Standing], float | None]
    by_machine: bool = False  # only comparable on the same hardware


COSTS: Mapping[str, Cost] = {  # by name in the address
    "flops": Cost("Adaptation FLOPs", "FLOPs to adapt to one task", lambda s: s.document.costs.adapt_flops),
    "macs": Cost("MACs per query", "multiply-accumulates per query", lambda s: s.macs),
    "train": Cost("Meta-training FLOPs", "FLOPs of meta-training", lambda s: s.document.costs.train_flops),
    "parameters": Cost("Parameters", "parameters", lambda s: s.document.costs.parameters),
    "training": Cost(
        "Meta-training time",
        "meta-training, seconds per seed",
        lambda s: s.document.costs.train_seconds,
        by_machine=True,
    ),
    "memory": Cost(
        "Memory", "peak memory, MiB", lambda s: s.document.costs.peak_bytes / 2**20, by_machine=True
    ),
}


@dataclass(frozen=True)
class Group:
    """The results of one kind of hardware, cheapest first; machine: None if it does not matter."""

    machine: str | None
    points: tuple[Point, ...]
    front: frozenset[str]
    unstated: tuple[str, ...]  # methods that do not state this cost

    @property
    def drawn(self) -> list[Point]:
        """The points with a place on a logarithmic axis."""
        return [point for point in self.points if point.cost > 0]

    @property
    def best(self) -> list[Point]:
        """The points on the front."""
        return [point for point in self.points if point.method in self.front]


def page(site: Site, query: Query, track: str, cost: str) -> View:
    """The page of one cost, a key of COSTS; QueryError for another, Missing if there is no such track."""
    if cost not in COSTS:
        raise QueryError(f"there is no cost {cost!r}; there are: {', '.join(COSTS)}")
    board, asked = site.board(track), COSTS[cost]
    apart = _machines(board) if asked.by_machine else {None: list(board.lines)}
    groups = [_group(name, lines, asked.value) for name, lines in apart.items()]
    drawn = groups[0].drawn
    return View(
        "pareto.html",
        {
            **track_values(site, board, "pareto-flops.html"),
            "groups": groups,
            "cost": cost,
            "costs": {
                name: (links.board(board.track, f"pareto-{name}.html"), c) for name, c in COSTS.items()
            },
            "label": asked.label,
        },
        {"pareto": pareto(f"Accuracy and {asked.label}", drawn, asked.label)} if drawn else {},
    )


def _group(machine: str | None, lines: Sequence[Line], value: Callable[[Standing], float | None]) -> Group:
    costs = {line.method: value(line.standing) for line in lines}
    points = [
        Point(line.method, *line.overall.percents, float(cost))
        for line in lines
        if (cost := costs[line.method]) is not None
    ]
    cheapest = sorted(points, key=lambda p: (p.cost, -p.accuracy))
    unstated = tuple(method for method, cost in costs.items() if cost is None)
    return Group(machine, tuple(cheapest), frozenset(front([p for p in points if p.cost > 0])), unstated)


def _machines(board: Board) -> dict[str | None, list[Line]]:
    """The lines of a board by the hardware they were measured on; {None: all} if there is only one."""
    found = machines.grouped(board.lines, machines.hardware)
    return dict(found.items()) if len(found) > 1 else {None: list(board.lines)}


def paths(site: Site) -> Iterable[str]:
    """The page of every cost for every track."""
    for track in site.tracks.values():
        for cost in COSTS:
            yield links.board(track, f"pareto-{cost}.html")
