"""MetaNAS: Reptile on weights and architecture, with soft pruning that ends in a single architecture.

Elsken, Staffler, Metzen, Hutter: Meta-Learning of Neural Architectures for Few-Shot Learning (CVPR 2020),
sec. 3.2 (eq. 4-7): DARTS steps on a task's weights and architecture in turn, softmax temperature from 1 to
0.05 within a task, candidates under 0.01 dropped; Reptile on both, weights alone in the first half; no
retraining at test time. Where we differ: a chain instead of cells by default (`space.nodes=2` has cells),
no drop path; the architecture's gradient is taken at the task's own weights, which the
published code never copies.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from metanas.episode import Batch, Episodes, TaskSpec
from metanas.kinds import METHODS
from metanas.meta.inner import TaskLoss, adapt, predicting
from metanas.meta.outer import pack, params_of
from metanas.meta.reptile import displacement, mean_of_movers
from metanas.meta.rule import UpdateRule, adam
from metanas.method import Adapted, Method, Metrics, Moment, State
from metanas.parallel import averaged
from metanas.params import Params, Tensors, named, stack
from metanas.search.relax import Schedule, annealed, pruned
from metanas.supernet.network import SuperNet
from metanas.supernet.space import SearchSpace


@METHODS.register("metanas")
class MetaNas(Method):
    """Reptile and DARTS with annealed soft pruning (Elsken et al., 2020)."""

    transductive = False
    trains = True

    @dataclass(frozen=True)
    class Settings:
        """steps: pairs of an architecture and a weight step. warm_up: share of iterations without search.

        temperature: where it ends. threshold: of the weight under which a candidate is dropped.
        """

        space: SearchSpace = field(default_factory=SearchSpace)
        steps: int = 5
        test_steps: int = 10
        weight_rate: float = 0.01
        arch_rate: float = 0.02
        outer_weight_step: float = 0.7
        outer_arch_step: float = 0.42
        warm_up: float = 0.5
        temperature: float = 0.05
        threshold: float = 0.01
        schedule: Schedule = "linear"

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        self.settings = settings
        self.net = SuperNet(settings.space, specs)

    def start(self, generator: torch.Generator) -> State:
        return pack(self.net.init(generator))

    def step(self, state: State, moment: Moment, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        s, params = self.settings, params_of(state)
        searches = moment.at >= s.warm_up * moment.of
        size = {"weights": s.outer_weight_step * moment.left, "arch": s.outer_arch_step * moment.left}

        def move(episodes: Episodes) -> tuple[Tensors, float]:
            return displacement(
                self.losses(episodes.spec, s.steps, anneal=searches),
                params,
                episodes,
                rules=self.rules(searches=searches),
                steps=s.steps,
                turns=2,
            )

        moves, losses = averaged(batch, move)
        way = mean_of_movers(moves)
        return {name: t + size[name.partition("/")[0]] * way[name] for name, t in state.items()}, losses

    def phases(self) -> Sequence[float]:
        return (self.settings.warm_up,)

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        start, steps = stack(params_of(state), len(support.y)), self.settings.test_steps
        losses = self.losses(spec, steps, anneal=True)
        adapted = adapt(losses, start, [support] * (2 * steps), rules=self.rules(searches=True), order=0)
        return predicting(losses[-1], adapted)

    def losses(self, spec: TaskSpec, steps: int, *, anneal: bool) -> list[TaskLoss]:
        """One loss per gradient step, each at its temperature; without annealing the softmax's."""
        s, found = self.settings, []
        for step in range(steps):
            heat = annealed(1.0, s.temperature, step, steps, s.schedule) if anneal else 1.0
            relax = pruned(heat, s.threshold if anneal else 0.0)
            found += [TaskLoss(self.net, spec, relax)] * 2
        return found

    def rules(self, *, searches: bool) -> "InTurn":
        s = self.settings
        arch = adam(s.arch_rate, beta1=0.0) if searches else None
        return InTurn(adam(s.weight_rate, beta1=0.0), arch)


@dataclass(frozen=True)
class InTurn:
    """The architecture moves in even steps, the weights in odd ones, as in DARTS."""

    weights: UpdateRule
    arch: UpdateRule | None

    def at(self, params: Params, step: int) -> list[UpdateRule | None]:
        now = ("arch/", self.arch) if step % 2 == 0 else ("weights/", self.weights)
        return [now[1] if name.startswith(now[0]) else None for name in named(params)]
