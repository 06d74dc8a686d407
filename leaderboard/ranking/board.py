"""Ranked boards: one per track, methods by mean accuracy, with ranks and their distance to the best.

Comes after `standing.py` (the submissions with their scores) and before `web/` (the pages). Values that are
costly and seldom needed are computed on first access.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from leaderboard.ranking.standing import Standing
from metanas.evaluation.batch_intervals import intervals
from metanas.evaluation.one_to_many import Against, Lead, Resolution, with_baseline
from metanas.evaluation.paired import LEVEL, Pair, pairs
from metanas.evaluation.ranking import Friedman, Ranked, friedman, rank
from metanas.evaluation.result import Task
from metanas.evaluation.statistics import Interval, View, domain_of

MOST_PAIRED = 20  # methods of which all pairs are compared


@dataclass(frozen=True)
class Line:
    """One method on a board: a row of the ranking."""

    standing: Standing
    overall: Interval  # of the mean accuracy over the board's tasks
    tasks: Mapping[str, Interval]  # accuracy by task name
    place: Ranked  # ranks, difference to the best and family

    @property
    def method(self) -> str:
        """The method's name."""
        return self.standing.method

    @property
    def num_seeds(self) -> int:
        """How many seeds it was trained with."""
        return len(self.standing.document.seeds)

    @property
    def ranks(self) -> str:
        """Its rank or range of ranks, as text."""
        return self.place.ranks

    @cached_property
    def view(self) -> View:
        """Accuracies on the board's tasks, each (S, E): seeds, episodes."""
        return {name: self.standing.accuracies[name] for name in self.tasks}

    @property
    def mean(self) -> float:
        """Mean accuracy over the board's tasks."""
        return self.overall.mean

    @cached_property
    def domains(self) -> dict[str, float]:
        """Mean accuracy by domain; its tasks have equal weights."""
        by_domain: dict[str, list[float]] = {}
        for task, interval in self.tasks.items():
            by_domain.setdefault(domain_of(task), []).append(interval.mean)
        return {domain: float(np.mean(values)) for domain, values in by_domain.items()}

    @cached_property
    def worst(self) -> tuple[str, float]:
        """The domain of lowest accuracy, and that accuracy."""
        domain = min(self.domains, key=lambda name: (self.domains[name], name))
        return domain, self.domains[domain]

    @cached_property
    def normalised(self) -> float:
        """Mean over domains of (accuracy - chance) / (1 - chance): 0 is guessing, 1 is perfect."""
        by_guessing = {task.name: task.chance for task in self.standing.document.tasks}
        by_domain: dict[str, list[float]] = {}
        for name, interval in self.tasks.items():
            chance = by_guessing[name]
            by_domain.setdefault(domain_of(name), []).append((interval.mean - chance) / (1 - chance))
        return float(np.mean([np.mean(values) for values in by_domain.values()]))


@dataclass(frozen=True)
class Board:
    """The ranking of one track: methods tested on the same data and episodes under the same budget."""

    track: str
    tasks: tuple[Task, ...]
    lines: tuple[Line, ...]
    resolution: Resolution | None  # what differences can be told; None with one family
    lead: Lead | None  # the best family against the second; None with one

    @cached_property
    def by_method(self) -> dict[str, Line]:
        """The lines by method name."""
        return {line.method: line for line in self.lines}

    @cached_property
    def domains(self) -> tuple[str, ...]:
        """The domains of its tasks, in their order."""
        return tuple(dict.fromkeys(task.domain for task in self.tasks))

    def views(self, methods: Sequence[str] = ()) -> dict[str, View]:
        """Accuracies of these methods, or of all by rank: by method and task, each (S, E)."""
        selected = methods or [line.method for line in self.lines]
        return {name: self.by_method[name].view for name in selected}

    @cached_property
    def founders(self) -> tuple[str, ...]:
        """The methods by rank, of each family of near-identical ones the first alone."""
        return tuple(line.method for line in self.lines if line.place.family == line.method)

    def against(self, baseline: str) -> list[Against]:
        """The first method of every family minus that of the baseline, which is one of them."""
        correlation = self.by_method[baseline].place.correlation
        return with_baseline(self.views(self.founders), baseline, LEVEL, correlation)

    @cached_property
    def best_pairs(self) -> Mapping[frozenset[str], Pair]:
        """All pairs of the best MOST_PAIRED families, by their first methods; corrected over these pairs."""
        compared = pairs(self.views(self.founders[:MOST_PAIRED]))
        return {frozenset((pair.a, pair.b)): pair for pair in compared}

    @cached_property
    def friedman(self) -> Friedman | None:
        """Friedman's test of all methods; None if there are too few tasks or methods."""
        return friedman(self.views())


def rank_track(track: str, standings: Sequence[Standing], domain: str = "") -> Board:
    """Rank the submissions of a track on all tasks, or on those of one domain.

    Of near-identical methods the one that was accepted first gives the family its name.

    standings: at least one, all with the same tasks.
    """
    standings = sorted(standings, key=lambda s: (s.accepted, s.id))
    tasks = tuple(t for t in standings[0].document.tasks if domain in ("", t.domain))
    names = tuple(task.name for task in tasks)
    views = {s.method: {name: s.accuracies[name] for name in names} for s in standings}
    by_task = {name: intervals({m: {name: view[name]} for m, view in views.items()}) for name in names}
    index = {standing.method: i for i, standing in enumerate(standings)}
    ranking = rank(views)
    lines = [
        Line(
            standings[index[place.name]],
            place.mean,
            {name: per_method[index[place.name]] for name, per_method in by_task.items()},
            place,
        )
        for place in ranking.methods
    ]
    return Board(track, tasks, tuple(lines), ranking.resolution, ranking.lead)
