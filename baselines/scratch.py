"""Scratch: adapt the supernet from its random initialisation; what meta-learning has to beat.

No paper: the control. Adam on the support set, weights and architecture, from fresh numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from metanas.episode import Batch, Episodes, TaskSpec
from metanas.kinds import METHODS
from metanas.meta.inner import Rules, TaskLoss, What, moves, predictor
from metanas.meta.outer import pack, params_of
from metanas.meta.rule import adam
from metanas.method import Adapted, Method, Metrics, Moment, State
from metanas.networks.choice import Choice, build
from metanas.supernet.space import SearchSpace


@METHODS.register("scratch")
class Scratch(Method):
    """Adapt from random initialisation, no meta-training (the control)."""

    transductive = False
    trains = False

    @dataclass(frozen=True)
    class Settings:
        """Rates and number of Adam steps on each test task."""

        network: Choice = field(default_factory=Choice)
        space: SearchSpace = field(default_factory=SearchSpace)
        adapts: What = "both"
        test_steps: int = 20
        weight_rate: float = 3e-3
        arch_rate: float = 1e-2

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        self.settings = settings
        self.net = build(settings.network, settings.space, specs)
        self.transductive = settings.network.transductive
        self.rules = Rules(adam(settings.weight_rate), adam(settings.arch_rate), moves(settings.adapts))

    def start(self, generator: torch.Generator) -> State:
        return pack(self.net.init(generator))

    def step(self, state: State, moment: Moment, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        raise RuntimeError("scratch does not meta-train")

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        loss = TaskLoss(self.net, spec)
        return predictor(loss, params_of(state), support, rules=self.rules, steps=self.settings.test_steps)
