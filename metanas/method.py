"""What the benchmark asks of an entrant: `start`, `step`, `adapt`, over a state of named tensors.

A method never owns the training loop. It says how a state begins, how one meta-iteration changes it and
how it adapts to a task; `train.py` runs, checkpoints and resumes the iterations, the same way for all,
and `evaluation/evaluate.py` asks for predictions. Query labels of test episodes never get here: `adapt`
sees a support set and `Adapted.predict` sees query inputs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from metanas.episode import Batch, Episodes, TaskSpec
from metanas.params import Tensors

State = dict[str, Tensor]
Metrics = Mapping[str, float]


@dataclass(frozen=True)
class Adapted:
    """T tasks' predictors.

    predict: query inputs (T, Q, *input_shape) to class probabilities (T, Q, ways).
    arch: adapted architecture logits (T, ...) where the method has any.
    weights: the weights (T, ...) it predicts with, for methods from which an architecture may inherit them.
    """

    predict: Callable[[Tensor], Tensor]
    arch: Tensors | None = None
    weights: Tensors | None = None


@dataclass(frozen=True)
class Moment:
    """Where in meta-training a step is: iteration `at` (from 0) of `of`."""

    at: int
    of: int

    @property
    def left(self) -> float:
        """From 1 at the start to 0 at the end: a linear schedule."""
        return 1 - self.at / max(self.of, 1)


class Method(Protocol):
    """One entrant. `Settings` is a frozen dataclass of its hyperparameters, all with defaults."""

    transductive: bool  # predictions may depend on the other queries; some settings decide it
    trains: ClassVar[bool]  # False: `step` is never called
    Settings: ClassVar[type[Any]]

    def __init__(self, specs: Sequence[TaskSpec], settings: Any) -> None:
        """specs: one per domain of the suite."""
        ...

    def start(self, generator: torch.Generator) -> State:
        """The state before meta-training."""
        ...

    def step(self, state: State, moment: Moment, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        """One meta-iteration on a batch of tasks, one `Episodes` per domain. Returns a new state."""
        ...

    def phases(self) -> Sequence[float]:
        """Shares of meta-training, rising, at which what an iteration costs changes; mostly none."""
        return ()

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        """Adapt to T tasks, each from its own support set alone."""
        ...
