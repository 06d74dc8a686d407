"""DARTS on every task by itself: search from random weights on the support, derive, train what was derived.

Liu, Simonyan, Yang: DARTS: Differentiable Architecture Search (ICLR 2019): weights by SGD with momentum
0.9 and decay 3e-4 on one half of the examples, architecture by Adam(0.5, 0.999) with decay 1e-3 on the other.
Nothing is meta-learned: the control for what meta-learning adds to a search. Where we differ: a task has 5
to 25 examples, so there are few steps and higher rates, and at one shot both halves are the whole support.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from metanas.episode import Batch, Episodes, TaskSpec
from metanas.kinds import METHODS
from metanas.meta.inner import Rules, TaskLoss, adapt, gradient, predicting
from metanas.meta.outer import pack, params_of
from metanas.meta.rule import State as RuleState
from metanas.meta.rule import UpdateRule, adam, momentum
from metanas.method import Adapted, Method, Metrics, Moment, State
from metanas.params import Params, Tensors, detach, stack
from metanas.search.darts import Order, arch_gradient
from metanas.search.harden import harden, single
from metanas.search.relax import Relaxation, usual
from metanas.supernet.network import SuperNet
from metanas.supernet.space import SearchSpace


@METHODS.register("darts")
class Darts(Method):
    """Differentiable search on each task from scratch (Liu et al., 2019)."""

    transductive = False
    trains = False

    @dataclass(frozen=True)
    class Settings:
        """order: first | exact | finite. retrain_steps: of Adam on the derived network, anew."""

        space: SearchSpace = field(default_factory=SearchSpace)
        order: Order = "first"
        test_steps: int = 15
        retrain_steps: int = 15
        weight_rate: float = 0.025
        arch_rate: float = 0.05
        retrain_rate: float = 3e-3
        warm_up: float = 0.0

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        self.settings = settings
        self.net = SuperNet(settings.space, specs)

    def start(self, generator: torch.Generator) -> State:
        seed = torch.randint(2**31, (), generator=generator)
        return pack(self.net.init(generator)) | {"seed": seed}

    def step(self, state: State, moment: Moment, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        raise RuntimeError("a search on each task does not meta-train")

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        s, start = self.settings, stack(params_of(state), len(support.y))
        found = self.search(start, spec, support, int(state["seed"]))
        derived = Params(start.weights, harden(s.space, found.arch))
        loss = TaskLoss(self.net, spec, single)
        steps, rules = [support] * s.retrain_steps, Rules(adam(s.retrain_rate), None)
        return predicting(loss, adapt(loss, derived, steps, rules=rules, order=0))

    def search(self, params: Params, spec: TaskSpec, support: Batch, seed: int) -> Params:
        """Architecture and weights in turn; arch rests for the first `warm_up` of the steps."""
        s, (train, val) = self.settings, halves(support)
        arch_rule, weight_rule = adam(s.arch_rate, beta1=0.5, decay=1e-3), momentum(s.weight_rate, decay=3e-4)
        memory: dict[str, RuleState] = {}

        def moved(group: Tensors, slope: Tensors, rule: UpdateRule) -> Tensors:
            new = dict(group)
            for name, t in group.items():
                if name in slope:
                    new[name], memory[name] = rule.update(t, slope[name], memory.get(name, rule.init(t)))
            return new

        for step in range(s.test_steps):
            loss = TaskLoss(self.net, spec, self.relax(step, seed))
            if step >= s.warm_up * s.test_steps:
                slope, _ = arch_gradient(loss, params, train, val, rate=s.weight_rate, order=s.order)
                params = Params(params.weights, moved(params.arch, slope, arch_rule))
            every = [weight_rule] * len(params.weights) + [None] * len(params.arch)
            found = gradient(loss, detach(params), train, every, create_graph=False)
            slope = {n: g for n, g in zip(params.weights, found, strict=False) if g is not None}
            params = Params(moved(params.weights, slope, weight_rule), params.arch)
        return params

    def relax(self, step: int, seed: int) -> Relaxation:
        """How logits become a mixture in a search step."""
        return usual(self.settings.space)


def halves(support: Batch) -> tuple[Batch, Batch]:
    """Every other example for the weights, the rest for the architecture; at one shot both are all of it."""
    shots = int((support.y[0] == 0).sum())
    if shots == 1:
        return support, support
    return Batch(support.x[:, ::2], support.y[:, ::2]), Batch(support.x[:, 1::2], support.y[:, 1::2])
