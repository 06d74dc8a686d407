"""Rank what is published: one board per track, rows by mean accuracy, rank ranges from paired tests.

Comes after `standing.py` (the values) and before `site/` (the pages). A board is ranked once and kept;
what is costly and seldom wanted (all pairs) is computed when it is asked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from leaderboard.standing import Standing
from metanas.evaluation.many import intervals
from metanas.evaluation.ranking import Friedman, friedman, rank, rank_range
from metanas.evaluation.result import Task
from metanas.evaluation.stats import Interval, View, domain_of


@dataclass(frozen=True)
class Line:
    """One method on a board."""

    standing: Standing
    overall: Interval  # the mean over the board's tasks
    tasks: Mapping[str, Interval]  # accuracy by task name
    first: int  # 1 + number of methods significantly better
    last: int  # number of methods that are not significantly worse

    @property
    def method(self) -> str:
        return self.standing.method

    @property
    def ranks(self) -> str:
        return rank_range(self.first, self.last)

    @cached_property
    def view(self) -> View:
        """Accuracies on the board's tasks."""
        return {name: self.standing.accuracies[name] for name in self.tasks}

    @property
    def mean(self) -> float:
        return self.overall.mean

    @cached_property
    def domains(self) -> dict[str, float]:
        """Mean accuracy per domain, every task of it the same."""
        found: dict[str, list[float]] = {}
        for task, interval in self.tasks.items():
            found.setdefault(domain_of(task), []).append(interval.mean)
        return {domain: float(np.mean(values)) for domain, values in found.items()}

    @cached_property
    def worst(self) -> tuple[str, float]:
        """The domain it does worst on, and the accuracy there."""
        domain = min(self.domains, key=lambda name: (self.domains[name], name))
        return domain, self.domains[domain]

    @cached_property
    def normalised(self) -> float:
        """Mean of (accuracy - chance) / (1 - chance): 0 is guessing, 1 is perfect."""
        ways = {task.name: task.ways for task in self.standing.document.tasks}
        parts: dict[str, list[float]] = {}
        for name, interval in self.tasks.items():
            chance = 1 / ways[name]
            parts.setdefault(domain_of(name), []).append((interval.mean - chance) / (1 - chance))
        return float(np.mean([np.mean(values) for values in parts.values()]))


@dataclass(frozen=True)
class Board:
    """One track: methods that answered the same episodes of the same data under the same budget."""

    track: str
    tasks: tuple[Task, ...]
    lines: tuple[Line, ...]

    @cached_property
    def by_method(self) -> dict[str, Line]:
        return {line.method: line for line in self.lines}

    @cached_property
    def domains(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(task.domain for task in self.tasks))

    def views(self, methods: Sequence[str] = ()) -> dict[str, View]:
        """Accuracies of some methods, or of all in their order."""
        wanted = methods or [line.method for line in self.lines]
        return {name: self.by_method[name].view for name in wanted}

    @cached_property
    def friedman(self) -> Friedman | None:
        """None where there are too few tasks or methods."""
        return friedman(self.views())


def rank_track(track: str, standings: Sequence[Standing], domain: str = "") -> Board:
    """The board of a track, or of one of its domains alone. All standings must have the same tasks."""
    tasks = tuple(t for t in standings[0].document.tasks if domain in ("", t.domain))
    names = tuple(task.name for task in tasks)
    views = {s.method: {name: s.accuracies[name] for name in names} for s in standings}
    by_task = {name: intervals({m: {name: view[name]} for m, view in views.items()}) for name in names}
    number = {standing.method: i for i, standing in enumerate(standings)}
    lines = [
        Line(
            standings[number[place.name]],
            place.mean,
            {name: own[number[place.name]] for name, own in by_task.items()},
            place.first,
            place.last,
        )
        for place in rank(views)
    ]
    return Board(track, tasks, tuple(lines))
