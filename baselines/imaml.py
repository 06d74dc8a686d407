"""iMAML: MAML by implicit gradients of a proximal inner problem.

Rajeswaran, Finn, Kakade, Levine: Meta-Learning with Implicit Gradients (NeurIPS 2019), algorithms 1-2:
lambda about 2, 16 inner gradient steps and 5 steps of conjugate gradients. Where we differ: architecture
logits are part of the inner problem, and there are fewer inner steps, for the default budget.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from metanas.base.ranges import Count, Limit, Positive, Rate, Steps
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.meta.given_arch import WeightsOnly, fixed_archs, start_with
from metanas.meta.implicit import meta_gradient, proximal
from metanas.meta.inner import ParamGroups, StepPolicy, What, adapt, adapted_predictor, moves
from metanas.meta.loss import TaskLoss
from metanas.meta.optimizers import adam, sgd
from metanas.meta.outer import descend, over_domains, pack
from metanas.method import METHODS, Adapted, Method, Metrics, Progress, State
from metanas.models.build import build
from metanas.models.supernet import SuperNet
from metanas.params import Params, Tensors, detach, expand_tasks, group_of
from metanas.search.discretize import single
from metanas.space.network_config import NetworkConfig
from metanas.space.space import SearchSpace


@METHODS.register("imaml")
class IMaml(Method):
    """MAML by implicit gradients (Rajeswaran et al., 2019)."""

    transductive = False
    trains = True

    @dataclass(frozen=True)
    class Settings:
        """strength: lambda of the proximal term. cg_steps: of conjugate gradients. outer_*: linear to 0.

        adapts: both | weights | arch | head. clip: the largest norm of a meta-gradient.
        """

        network: NetworkConfig = field(default_factory=NetworkConfig)
        space: SearchSpace = field(default_factory=SearchSpace)
        adapts: What = "both"
        steps: Count = 8
        test_steps: Steps = 8
        weight_rate: Rate = 0.1
        arch_rate: Rate = 0.3
        strength: Positive = 2.0
        cg_steps: Steps = 5
        outer_weight_rate: Rate = 3e-3
        outer_arch_rate: Rate = 1e-2
        clip: Limit = 1.0

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        self.settings = settings
        self.net = build(settings.network, settings.space, specs)
        self.transductive = settings.network.transductive
        self.policy = ParamGroups(sgd(settings.weight_rate), sgd(settings.arch_rate), moves(settings.adapts))

    def start(self, generator: torch.Generator) -> State:
        return pack(self.net.init(generator))

    def step(self, state: State, progress: Progress, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        s, params = self.settings, detach(state.params)

        def gradient(episodes: Episodes) -> tuple[Tensors, Tensor]:
            loss = TaskLoss(self.net, episodes.spec)
            return meta_gradient(
                loss,
                params,
                episodes,
                policy=self.policy,
                steps=s.steps,
                strength=s.strength,
                cg_steps=s.cg_steps,
            )

        gradients, losses = over_domains(batch, gradient, limit=s.clip)
        rates = {"weights": s.outer_weight_rate, "arch": s.outer_arch_rate}
        optimizer = {name: adam(rate * progress.remaining) for name, rate in rates.items()}
        return descend(state, gradients, lambda name: optimizer[group_of(name)]), losses

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        start = expand_tasks(state.params, len(support.y))
        return self._adapted(TaskLoss(self.net, spec), start, support, self.policy)

    def adapt_with(self, state: State, spec: TaskSpec, support: Batch, arch: Tensors) -> Adapted | None:
        if not isinstance(self.net, SuperNet):
            return None
        start = start_with(state.params, arch, len(support.y))
        return self._adapted(TaskLoss(self.net, spec, single), start, support, WeightsOnly(self.policy))

    def _adapted(self, loss: TaskLoss, start: Params, support: Batch, policy: StepPolicy) -> Adapted:
        """The predictor after the inner steps of the proximal problem from `start` (T, ...)."""
        inner_loss = proximal(loss, start, self.settings.strength)
        steps = [support] * self.settings.test_steps
        return adapted_predictor(loss, adapt(inner_loss, start, steps, policy=policy, order=0))

    def fixed_archs(self, state: State, spec: TaskSpec) -> dict[str, Tensors]:
        return fixed_archs(self.net, state.group("arch"), spec)
