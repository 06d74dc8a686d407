"""Comparison of several methods: one call that the leaderboard, a report and the terminal share. No torch.

`compare({"maml": scores.view(), ...})` takes per-episode accuracies (S, E) by task and returns everything a
comparison page shows. 20 methods on 15 tasks x 600 episodes x 3 seeds take seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from metanas.base.errors import InvalidValue
from metanas.evaluation.one_to_many import Against, Resolution, with_baseline
from metanas.evaluation.paired import LEVEL, Pair, pairs
from metanas.evaluation.ranking import Friedman, Ranked, friedman, rank, task_ranks
from metanas.evaluation.statistics import Interval, View, estimate


@dataclass(frozen=True)
class Comparison:
    """Intervals, ranks and tests of methods that were tested on the same tasks."""

    methods: tuple[Ranked, ...]  # best mean first
    tasks: Mapping[str, Mapping[str, Interval]]  # method -> task -> accuracy
    mean_ranks: Mapping[str, float]  # method -> mean over tasks of its rank
    pairs: tuple[Pair, ...]
    friedman: Friedman | None  # None where there are too few methods or tasks
    resolution: Resolution | None = None  # None where there is nothing to compare
    baseline: str | None = None
    with_baseline: tuple[Against, ...] = ()  # every other method minus the baseline

    def pair(self, a: str, b: str) -> Pair:
        """The pair of methods a and b, in whichever order it was computed. KeyError if there is none."""
        for pair in self.pairs:
            if {pair.a, pair.b} == {a, b}:
                return pair
        raise KeyError(f"no pair of {a!r} and {b!r}")


def compare(views: Mapping[str, View], *, baseline: str | None = None) -> Comparison:
    """Order, intervals and paired tests, also of every method with the baseline.

    InvalidValue without a method, if tasks or episodes differ, or if there is no such baseline.
    """
    if not views:
        raise InvalidValue("nothing to compare")
    against = with_baseline(views, baseline, LEVEL) if baseline is not None else []
    compared, ranking = pairs(views), rank(views)
    intervals = {
        name: {task: estimate({task: scores}).interval() for task, scores in view.items()}
        for name, view in views.items()
    }
    return Comparison(
        ranking.methods,
        intervals,
        {name: float(row.mean()) for name, row in task_ranks(views).items()},
        tuple(compared),
        friedman(views),
        ranking.resolution,
        baseline,
        tuple(against),
    )
