"""Chance: the same probability for every class of a task, the reference for a method that learns nothing.

Nothing is learned and no network is built. `step` raises RuntimeError.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.method import METHODS, Adapted, Method, Metrics, Progress, State
from metanas.space.space import SearchSpace


@METHODS.register("chance")
class Chance(Method):
    """Uniform probabilities; accuracy is 1 / ways, log-loss log(ways)."""

    transductive = False
    trains = False

    @dataclass(frozen=True)
    class Settings:
        """space is not used; it is here so that one command can set it for all methods."""

        space: SearchSpace = field(default_factory=SearchSpace)

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        self.settings = settings

    def start(self, generator: torch.Generator) -> State:
        return State({})

    def step(self, state: State, progress: Progress, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        raise RuntimeError("chance does not meta-train")

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        def predict(x: Tensor) -> Tensor:
            return torch.full((*x.shape[:2], spec.ways), 1 / spec.ways, device=x.device)

        return Adapted(predict)
