"""Several methods beside each other: one call that a board, a report and a terminal share. No torch.

`compare({"maml": scores.view(), ...})` takes per-episode accuracies (S, E) by task and returns everything a
comparison page shows. 20 methods of 15 tasks x 600 episodes x 3 seeds take seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from metanas.evaluation.paired import Pair, pairs
from metanas.evaluation.ranking import Friedman, Ranked, friedman, rank, task_ranks
from metanas.evaluation.stats import Interval, View, estimate


@dataclass(frozen=True)
class Comparison:
    """Methods that answered the same tasks."""

    methods: tuple[Ranked, ...]  # best mean first
    tasks: Mapping[str, Mapping[str, Interval]]  # method -> task -> accuracy
    mean_ranks: Mapping[str, float]  # method -> mean over tasks of its rank
    pairs: tuple[Pair, ...]
    friedman: Friedman | None  # None where there are too few methods or tasks

    def pair(self, a: str, b: str) -> Pair:
        """The pair of a and b, in whichever order it was computed. KeyError if there is none."""
        for found in self.pairs:
            if {found.a, found.b} == {a, b}:
                return found
        raise KeyError(f"no pair of {a!r} and {b!r}")


def compare(views: Mapping[str, View]) -> Comparison:
    """Order, intervals and paired tests. ValueError for no method, or methods with different tasks."""
    if not views:
        raise ValueError("nothing to compare")
    compared = pairs(views)
    intervals = {
        name: {task: estimate({task: scores}).interval() for task, scores in view.items()}
        for name, view in views.items()
    }
    return Comparison(
        tuple(rank(views)),
        intervals,
        {name: float(row.mean()) for name, row in task_ranks(views).items()},
        tuple(compared),
        friedman(views),
    )
