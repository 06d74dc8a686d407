"""MAML on weights and architecture, on the supernet or a fixed network.

Finn, Abbeel, Levine: Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks (ICML 2017), eq. 1 and
algorithm 1, with the architecture in the inner loop as in T-NAS (Lian et al., ICLR 2020). Where we differ:
layer norms by default, so that no query sees another (`network.norm=batch` is the paper's); logits of each
domain beside the shared ones, at an outer rate at which they can travel (with shared logits at 0.01 mixtures
stay flat and find nothing, docs/architecture.md). Subclasses override `rates`, `policy`, `order`,
`step_weights` or `outer`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from metanas.base.errors import InvalidValue
from metanas.base.ranges import Count, Limit, Rate, Steps
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.meta.arch_steps import ARCH_RULES, ArchRule, SummedArch
from metanas.meta.batching import Batching, fastest
from metanas.meta.given_arch import adapt_weights, fixed_archs
from metanas.meta.inner import Order, ParamGroups, StepPolicy, What, moves, predictor
from metanas.meta.loss import TaskLoss
from metanas.meta.maml import final_step_weights, meta_gradient
from metanas.meta.optimizers import FunctionalOptimizer, adam, sgd
from metanas.meta.outer import descend, leaves, over_domains, pack
from metanas.meta.rates import LearnedRates, start_nodes
from metanas.meta.replay import Replay
from metanas.method import METHODS, Adapted, Method, Metrics, Progress, State
from metanas.models.build import build
from metanas.models.relaxation import Relaxation
from metanas.models.supernet import SuperNet
from metanas.params import Params, Tensors, group_of
from metanas.space.network_config import NetworkConfig
from metanas.space.space import SearchSpace


@METHODS.register("maml")
class Maml(Method):
    """MAML on weights and architecture (Finn et al., 2017)."""

    transductive = False
    trains = True
    relax: Relaxation | None = None  # the space's

    @dataclass(frozen=True)
    class Settings:
        """weight_rate, arch_rate: of the inner steps. steps, test_steps: inner steps in training and at test.

        adapts: both | weights | arch | head. eta: learn one inner rate per node candidate (in the outer
        loop, starting at the given rates). arch_rule: sgd on logits, or gaea, exponentiated gradient.
        arch_step: logits move at each step, or once by the summed gradients (`meta/arch_steps.py`). decay:
        outer rates fall linearly to 0, or stay. clip: the largest norm of a meta-gradient. batching: how
        tasks run side by side, see `meta/batching.py`. checkpoint: compute second-order steps twice, so that
        memory hardly grows with their number. InvalidValue if summed steps differ in training and at test.
        """

        network: NetworkConfig = field(default_factory=NetworkConfig)
        space: SearchSpace = field(default_factory=lambda: SearchSpace(levels="domain"))
        adapts: What = "both"
        second_order: bool = True
        steps: Count = 2
        test_steps: Steps = 2
        weight_rate: Rate = 0.1
        arch_rate: Rate = 1.0
        eta: bool = False
        arch_rule: ArchRule = "sgd"
        arch_step: Literal["each", "summed"] = "each"
        outer_weight_rate: Rate = 3e-3
        outer_arch_rate: Rate = 3e-2
        outer_eta_rate: Rate = 1e-2
        decay: Literal["linear", "none"] = "linear"
        clip: Limit = 1.0
        batching: Literal["auto", "vmap", "shared", "loop"] = "auto"
        checkpoint: bool = False

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        if settings.arch_step == "summed" and settings.steps != settings.test_steps:
            raise InvalidValue(
                f"arch_step=summed needs as many steps at test as in training, got steps={settings.steps} "
                f"and test_steps={settings.test_steps}"
            )
        self.settings = settings
        self.net = build(settings.network, settings.space, specs)
        self.transductive = settings.network.transductive
        self.replay = Replay(self.net)

    def start(self, generator: torch.Generator) -> State:
        params = self.net.init(generator)
        return pack(params, self.rates(params, generator))

    def step(self, state: State, progress: Progress, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        learned = leaves(state, ("weights", "arch", "rates"))
        order, steps = self.order(progress), self.step_weights(progress)

        def gradient(episodes: Episodes, batching: Batching | None = None) -> tuple[Tensors, Tensor]:
            chosen = batching or self.batching(episodes, lambda name: gradient(episodes, name))

            loss = TaskLoss(self.net, episodes.spec, self.relax, chosen)

            def compute(learned: State, episodes: Episodes) -> tuple[Tensors, Tensor]:
                return meta_gradient(
                    loss,
                    learned.params,
                    episodes,
                    policy=self.policy(learned.rates),
                    order=order,
                    steps=steps,
                    rates=learned.rates,
                    again=self.policy if self.settings.checkpoint else None,
                )

            kind = (chosen, order, *steps) if loss.is_static else None
            return self.replay(kind, compute, learned, episodes)

        gradients, losses = over_domains(batch, gradient, limit=self.settings.clip)
        return descend(state, gradients, lambda name: self.outer(name, progress)), losses

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        policy = self.policy(state.rates)
        loss = TaskLoss(self.net, spec, self.relax)
        return predictor(loss, state.params, support, policy=policy, steps=self.settings.test_steps)

    def adapt_with(self, state: State, spec: TaskSpec, support: Batch, arch: Tensors) -> Adapted | None:
        policy, steps = self.policy(state.rates), self.settings.test_steps
        return adapt_weights(self.net, spec, state.params, support, arch, policy=policy, steps=steps)

    def fixed_archs(self, state: State, spec: TaskSpec) -> dict[str, Tensors]:
        return fixed_archs(self.net, state.group("arch"), spec)

    def rates(self, params: Params, generator: torch.Generator) -> Tensors:
        """The learned inner rates before meta-training, by name; empty unless `eta`."""
        s = self.settings
        if not s.eta:
            return {}
        return start_nodes(params, s.steps, s.weight_rate, s.arch_rate)

    def policy(self, rates: Tensors) -> StepPolicy:
        """Which optimizer moves which tensor in an inner step. rates: the learned ones, or empty."""
        s = self.settings
        if rates:
            return LearnedRates(rates, "node", moves(s.adapts))
        arch = ARCH_RULES[s.arch_rule](s.arch_rate)
        policy = ParamGroups(sgd(s.weight_rate), arch, moves(s.adapts))
        return SummedArch(policy, s.steps) if s.arch_step == "summed" else policy

    def order(self, progress: Progress) -> Order:
        """The order of the meta-gradient: 2 differentiates through the inner steps, 1 does not."""
        return 2 if self.settings.second_order else 1

    def step_weights(self, progress: Progress) -> Sequence[float]:
        """Weight of the query loss after each inner step."""
        return final_step_weights(self.settings.steps)

    def outer(self, name: str, progress: Progress) -> FunctionalOptimizer:
        """The outer optimizer of the tensor of a full name."""
        s = self.settings
        rates = {"weights": s.outer_weight_rate, "arch": s.outer_arch_rate, "rates": s.outer_eta_rate}
        factor = progress.remaining if s.decay == "linear" else 1.0
        return adam(rates[group_of(name)] * factor)

    def batching(self, episodes: Episodes, attempt: Callable[[Batching], object]) -> Batching:
        """How the tasks run side by side; with batching=auto the fastest way, measured by `attempt`.

        A supernet always takes `vmap`: its many small operations only pay side by side, and the measurement
        would cost more than it saves.
        """
        s = self.settings
        if s.batching != "auto":
            return s.batching
        if isinstance(self.net, SuperNet):
            return "vmap"
        shapes = [tuple(batch.x.shape) for batch in (episodes.support, episodes.query)]
        about = f"{type(self).__name__} {s} {episodes.spec} {shapes}"
        return fastest(about, attempt, episodes.support.x.device)
