"""DARTS on each task from scratch: search on the support set, derive an architecture, train it.

Liu, Simonyan, Yang: DARTS: Differentiable Architecture Search (ICLR 2019): weights by SGD with momentum 0.9
and decay 3e-4 on one half of the examples, architecture by Adam(0.5, 0.999) with decay 1e-3 on the other.
Search and training start from the same random initialisation. Nothing is meta-learned: the control for what
meta-learning adds to a search. Where we differ: a task has 5 to 25 examples, so there are few steps and
higher rates, and at one shot both halves are the whole support set.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from metanas.base.ranges import Rate, Share, Steps
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.meta.given_arch import start_with
from metanas.meta.inner import ParamGroups, adapt, adapted_predictor, gradient
from metanas.meta.loss import TaskLoss
from metanas.meta.optimizers import FunctionalOptimizer, OptimizerState, adam, momentum
from metanas.meta.outer import pack
from metanas.method import METHODS, Adapted, Method, Metrics, Progress, State
from metanas.models.relaxation import Relaxation, space_relaxation
from metanas.models.supernet import SuperNet
from metanas.params import Params, Tensors, detach, expand_tasks
from metanas.search.darts import Order, arch_gradient
from metanas.search.discretize import discretize, single
from metanas.space.space import SearchSpace


@METHODS.register("darts")
class Darts(Method):
    """Differentiable search on each task from scratch (Liu et al., 2019)."""

    transductive = False
    trains = False

    @dataclass(frozen=True)
    class Settings:
        """test_steps: of the search. retrain_steps: of Adam on the derived network, from the initial weights.

        order: of the architecture's gradient, first | exact | finite (`search/darts.py`). warm_up: the share
        of the search steps, at their start, in which only the weights move.
        """

        space: SearchSpace = field(default_factory=SearchSpace)
        order: Order = "first"
        test_steps: Steps = 15
        retrain_steps: Steps = 15
        weight_rate: Rate = 0.025
        arch_rate: Rate = 0.05
        retrain_rate: Rate = 3e-3
        warm_up: Share = 0.0

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        self.settings = settings
        self.net = SuperNet(settings.space, specs)

    def start(self, generator: torch.Generator) -> State:
        seed = torch.randint(2**31, (), generator=generator)
        return pack(self.net.init(generator)) | {"seed": seed}

    def step(self, state: State, progress: Progress, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        raise RuntimeError("a search on each task does not meta-train")

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        s, start = self.settings, expand_tasks(state.params, len(support.y))
        searched = self._search(start, spec, support, int(state["seed"]))
        return self.adapt_with(state, spec, support, discretize(s.space, searched.arch, spec))

    def adapt_with(self, state: State, spec: TaskSpec, support: Batch, arch: Tensors) -> Adapted:
        s, loss = self.settings, TaskLoss(self.net, spec, single)
        start = start_with(state.params, arch, len(support.y))
        steps, policy = [support] * s.retrain_steps, ParamGroups(adam(s.retrain_rate), None)
        return adapted_predictor(loss, adapt(loss, start, steps, policy=policy, order=0))

    def _search(self, params: Params, spec: TaskSpec, support: Batch, seed: int) -> Params:
        """The parameters (T, ...) after `test_steps` alternating steps of architecture and weights."""
        s, (train, val) = self.settings, halves(support, spec.ways)
        arch_optimizer = adam(s.arch_rate, beta1=0.5, decay=1e-3)
        weight_optimizer = momentum(s.weight_rate, decay=3e-4)
        memory: dict[str, OptimizerState] = {}

        def updated(group: Tensors, gradients: Tensors, optimizer: FunctionalOptimizer) -> Tensors:
            new = dict(group)
            for name, t in group.items():
                if name in gradients:
                    new[name], memory[name] = optimizer.update(
                        t, gradients[name], memory.get(name, optimizer.init(t))
                    )
            return new

        for step in range(s.test_steps):
            loss = TaskLoss(self.net, spec, self.relax(step, seed))
            if step >= s.warm_up * s.test_steps:
                gradients, _ = arch_gradient(loss, params, train, val, rate=s.weight_rate, order=s.order)
                params = Params(params.weights, updated(params.arch, gradients, arch_optimizer))
            moving = [weight_optimizer] * len(params.weights) + [None] * len(params.arch)
            partials = gradient(loss, detach(params), train, moving, create_graph=False)
            gradients = {n: g for n, g in zip(params.weights, partials, strict=False) if g is not None}
            params = Params(updated(params.weights, gradients, weight_optimizer), params.arch)
        return params

    def relax(self, step: int, seed: int) -> Relaxation:
        """The relaxation of a search step. seed: for relaxations that draw samples."""
        return space_relaxation(self.settings.space)


def halves(support: Batch, ways: int) -> tuple[Batch, Batch]:
    """The support's even examples, for the weights, and the odd ones, for the architecture.

    At one shot both are the whole support set.
    """
    if support.y.shape[1] == ways:
        return support, support
    return Batch(support.x[:, ::2], support.y[:, ::2]), Batch(support.x[:, 1::2], support.y[:, 1::2])
