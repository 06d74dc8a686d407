"""Stopping criteria of meta-training: a FLOP budget, or early stopping on meta-validation accuracy.

Both come from the budget (`data/suite.py`), which all methods of a track share. `affordable` converts a FLOP
budget to iterations before training begins, because learning-rate schedules need the length. Early stopping
uses meta-validation episodes (`validation.py`), never test episodes. The training loop is in `trainer.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from metanas.data.episode import Episodes
from metanas.engine.config import ConfigError
from metanas.engine.flops import train_flops
from metanas.method import Method, State

VALIDATION = "validation"  # the column of meta-validation accuracy in metrics.jsonl
_COUNTED_ITERATIONS = 1000  # length of the training whose FLOPs give the mean per iteration


@dataclass(frozen=True)
class EarlyStop:
    """Stop after `patience` consecutive validations without a new best; one every `every` iterations.

    accuracy: of a state on meta-validation episodes, in [0, 1].
    """

    every: int
    patience: int
    accuracy: Callable[[State], float]

    def due(self, iteration: int, total: int) -> bool:
        """Whether to validate after `iteration` of `total` iterations; always after the last."""
        return iteration % self.every == 0 or iteration == total

    def over(self, accuracies: Sequence[float]) -> bool:
        """Whether to stop after validations with these accuracies."""
        return len(accuracies) - 1 - accuracies.index(max(accuracies)) >= self.patience


def affordable(method: Method, state: State, batches: Sequence[list[Episodes]], flops: float) -> int:
    """How many meta-training iterations a budget of `flops` pays for.

    batches: one meta-batch per number of shots; training cycles through them. FLOPs are counted on the
    initial `state`; what a later phase selects (T-NAS) is not known before, so the dearest of
    `Method.may_select` counts. Validation is not counted. ConfigError if the budget does not pay for one
    iteration.
    """
    per_iteration = max(
        train_flops(method, possible, batches, _COUNTED_ITERATIONS) / _COUNTED_ITERATIONS
        for possible in (state, *method.may_select(state))
    )
    if per_iteration > flops:
        raise ConfigError(
            f"budget.flops={flops:g} does not pay for one iteration, which takes {per_iteration:g}"
        )
    return int(flops / per_iteration)
