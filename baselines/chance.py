"""Chance: every class is as likely as every other. The floor that any method must beat."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from metanas.episode import Batch, Episodes, TaskSpec
from metanas.kinds import METHODS
from metanas.method import Adapted, Method, Metrics, Moment, State
from metanas.supernet.space import SearchSpace


@METHODS.register("chance")
class Chance(Method):
    """Uniform probabilities; accuracy is 1 / ways, log-loss log(ways)."""

    transductive = False
    trains = False

    @dataclass(frozen=True)
    class Settings:
        """space is not looked at; it is there so that one command can set it for all methods."""

        space: SearchSpace = field(default_factory=SearchSpace)

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        self.settings = settings

    def start(self, generator: torch.Generator) -> State:
        return {}

    def step(self, state: State, moment: Moment, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        raise RuntimeError("chance does not meta-train")

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        def predict(x: Tensor) -> Tensor:
            return torch.full((*x.shape[:2], spec.ways), 1 / spec.ways)

        return Adapted(predict)
