"""MAML on the supernet or a fixed network: weights and architecture adapt, meta-learned by the query loss.

Finn, Abbeel, Levine: Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks (ICML 2017), eq. 1
and algorithm 1, with the architecture in the inner loop as in T-NAS (Lian et al., ICLR 2020). Where we
differ: layer norms by default, so that no query sees another (`network.norm=batch` is the paper's).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch

from metanas.episode import Batch, Episodes, TaskSpec
from metanas.kinds import METHODS
from metanas.meta.batching import Batching, fastest
from metanas.meta.inner import Order, Rules, Stepper, TaskLoss, What, moves, predictor
from metanas.meta.maml import last, meta_gradient
from metanas.meta.outer import descend, group, over_domains, pack, params_of
from metanas.meta.rates import LearnedRates, start_nodes
from metanas.meta.rule import UpdateRule, adam, sgd
from metanas.method import Adapted, Method, Metrics, Moment, State
from metanas.networks.choice import Choice, build
from metanas.params import Params, Tensors, detach
from metanas.search.relax import Relaxation
from metanas.supernet.network import SuperNet
from metanas.supernet.space import SearchSpace


@METHODS.register("maml")
class Maml(Method):
    """MAML on weights and architecture (Finn et al., 2017)."""

    transductive = False
    trains = True
    relax: Relaxation | None = None  # the space's

    @dataclass(frozen=True)
    class Settings:
        """Rates are per step; test_steps is how often a test task is adapted.

        adapts: both | weights | arch | head. eta: learn one inner rate per node candidate (in the outer
        loop, from the given rates on). decay: outer rates fall linearly to 0, or stay. clip: the largest
        norm of a meta-gradient. batching: how tasks run side by side, see `meta/batching.py`. checkpoint:
        compute second-order steps twice, so that memory hardly grows with their number.
        """

        network: Choice = field(default_factory=Choice)
        space: SearchSpace = field(default_factory=SearchSpace)
        adapts: What = "both"
        second_order: bool = True
        steps: int = 2
        test_steps: int = 2
        weight_rate: float = 0.1
        arch_rate: float = 1.0
        eta: bool = False
        outer_weight_rate: float = 3e-3
        outer_arch_rate: float = 1e-2
        outer_eta_rate: float = 1e-2
        decay: Literal["linear", "none"] = "linear"
        clip: float = 1.0
        batching: Literal["auto", "vmap", "shared", "loop"] = "auto"
        checkpoint: bool = False

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        self.settings = settings
        self.net = build(settings.network, settings.space, specs)
        self.transductive = settings.network.transductive

    def start(self, generator: torch.Generator) -> State:
        params = self.net.init(generator)
        return pack(params, self.rates(params, generator))

    def step(self, state: State, moment: Moment, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        params, rates = detach(params_of(state)), group(state, "rates")
        rates = {name: t.detach().requires_grad_() for name, t in rates.items()}

        def gradient(episodes: Episodes, batching: Batching | None = None) -> tuple[Tensors, float]:
            way = batching or self.batching(episodes, lambda name: gradient(episodes, name))
            return meta_gradient(
                TaskLoss(self.net, episodes.spec, self.relax, way),
                params,
                episodes,
                rules=self.rules(rates),
                order=self.order(moment),
                steps=self.step_weights(moment),
                rates=rates,
                again=self.rules if self.settings.checkpoint else None,
            )

        gradients, losses = over_domains(batch, gradient, limit=self.settings.clip)
        return descend(state, gradients, lambda name: self.outer(name, moment)), losses

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        rules = self.rules(group(state, "rates"))
        loss = TaskLoss(self.net, spec, self.relax)
        return predictor(loss, params_of(state), support, rules=rules, steps=self.settings.test_steps)

    def rates(self, params: Params, generator: torch.Generator) -> Tensors:
        """Learned inner rates before meta-training; none unless `eta`."""
        s = self.settings
        if not s.eta:
            return {}
        return start_nodes(params, s.steps, s.weight_rate, s.arch_rate)

    def rules(self, rates: Tensors) -> Stepper:
        """How a task is adapted to."""
        s = self.settings
        if rates:
            return LearnedRates(rates, "node", moves(s.adapts))
        return Rules(sgd(s.weight_rate), sgd(s.arch_rate), moves(s.adapts))

    def order(self, moment: Moment) -> Order:
        """Which derivatives the meta-gradient keeps."""
        return 2 if self.settings.second_order else 1

    def step_weights(self, moment: Moment) -> Sequence[float]:
        """Weight of the query loss after each inner step."""
        return last(self.settings.steps)

    def outer(self, name: str, moment: Moment) -> UpdateRule:
        """The outer rule of one tensor."""
        s = self.settings
        rates = {"weights": s.outer_weight_rate, "arch": s.outer_arch_rate, "rates": s.outer_eta_rate}
        left = moment.left if s.decay == "linear" else 1.0
        return adam(rates[name.partition("/")[0]] * left)

    def batching(self, episodes: Episodes, attempt: Callable[[Batching], object]) -> Batching:
        """The way the tasks run, measured where the settings leave it open.

        A supernet is many small operations, which only pay side by side; to measure it would cost more.
        """
        s = self.settings
        if s.batching != "auto":
            return s.batching
        if isinstance(self.net, SuperNet):
            return "vmap"
        shapes = [tuple(batch.x.shape) for batch in (episodes.support, episodes.query)]
        return fastest(f"{type(self).__name__} {s} {episodes.spec} {shapes}", attempt)
