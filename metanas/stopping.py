"""When meta-training ends: at a total of operations, or when validation brings nothing more.

Budgets of a track are the same for all its methods (`suite.Budget`). `affordable` turns a total of operations
into iterations before training begins, so that schedules know their length. Early stopping looks at
meta-validation classes only (`validate.py`), never at test episodes. Next: `train.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from metanas.config import ConfigError
from metanas.episode import Episodes
from metanas.evaluation.cost import train_flops
from metanas.method import Method, State

VALIDATION = "validation"  # its column in metrics.jsonl
FINE = 1000  # iterations of the imagined training whose operations are counted


@dataclass(frozen=True)
class EarlyStop:
    """Stop when `patience` checks in a row brought no new best; a check every `every` iterations.

    accuracy: of a state on meta-validation episodes, in [0, 1].
    """

    every: int
    patience: int
    accuracy: Callable[[State], float]

    def due(self, iteration: int, of: int) -> bool:
        """Whether to check after `iteration` iterations; always after the last."""
        return iteration % self.every == 0 or iteration == of

    def over(self, checks: Sequence[float]) -> bool:
        """Whether patience is at its end after checks with these accuracies."""
        return len(checks) - 1 - checks.index(max(checks)) >= self.patience


def affordable(method: Method, state: State, batches: Sequence[list[Episodes]], flops: float) -> int:
    """How many iterations `flops` operations pay for; batches: one of each kind that training takes in turn.

    Charged as at the start: a phase on an architecture that is chosen on the way (T-NAS) is counted with the
    one it would choose now. Checks of early stopping are not charged. ConfigError if not even one.
    """
    each = train_flops(method, state, batches, FINE) / FINE
    if each > flops:
        raise ConfigError(f"budget.flops={flops:g} does not pay for one iteration, which takes {each:g}")
    return int(flops / each)
