"""Scratch: adapt to each task from a random initialisation, the control for meta-learning.

No paper. Adam on the support set moves weights and architecture. `step` raises RuntimeError.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from metanas.base.ranges import Rate, Steps
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.meta.given_arch import adapt_weights
from metanas.meta.inner import ParamGroups, What, moves, predictor
from metanas.meta.loss import TaskLoss
from metanas.meta.optimizers import adam
from metanas.meta.outer import pack
from metanas.method import METHODS, Adapted, Method, Metrics, Progress, State
from metanas.models.build import build
from metanas.params import Tensors
from metanas.space.network_config import NetworkConfig
from metanas.space.space import SearchSpace


@METHODS.register("scratch")
class Scratch(Method):
    """Adapt from random initialisation, no meta-training (the control)."""

    transductive = False
    trains = False

    @dataclass(frozen=True)
    class Settings:
        """Rates and number of Adam steps on each test task."""

        network: NetworkConfig = field(default_factory=NetworkConfig)
        space: SearchSpace = field(default_factory=SearchSpace)
        adapts: What = "both"
        test_steps: Steps = 20
        weight_rate: Rate = 3e-3
        arch_rate: Rate = 1e-2

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        self.settings = settings
        self.net = build(settings.network, settings.space, specs)
        self.transductive = settings.network.transductive
        self.policy = ParamGroups(
            adam(settings.weight_rate), adam(settings.arch_rate), moves(settings.adapts)
        )

    def start(self, generator: torch.Generator) -> State:
        return pack(self.net.init(generator))

    def step(self, state: State, progress: Progress, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        raise RuntimeError("scratch does not meta-train")

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        loss = TaskLoss(self.net, spec)
        return predictor(loss, state.params, support, policy=self.policy, steps=self.settings.test_steps)

    def adapt_with(self, state: State, spec: TaskSpec, support: Batch, arch: Tensors) -> Adapted | None:
        policy, steps = self.policy, self.settings.test_steps
        return adapt_weights(self.net, spec, state.params, support, arch, policy=policy, steps=steps)
