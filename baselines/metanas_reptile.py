"""MetaNAS: Reptile on weights and architecture, with soft pruning to a single architecture.

Elsken, Staffler, Metzen, Hutter: Meta-Learning of Neural Architectures for Few-Shot Learning (CVPR 2020),
sec. 3.2 (eq. 4-7): alternating DARTS steps on a task's architecture and weights, softmax temperature from 1
to 0.05 within a task, candidates under 0.01 dropped; Reptile on both, weights alone in the first half; no
retraining at test time. Where we differ: a chain instead of cells by default (`space.nodes=2` has cells), no
drop path; the architecture's gradient is taken at the task's own weights, which the published code never
copies.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import torch
from torch import Tensor

from metanas.base.ranges import Count, Positive, Range, Rate, Share, Steps
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.meta.averaging import mean_over_tasks
from metanas.meta.given_arch import adapt_weights, fixed_archs
from metanas.meta.inner import ParamGroups, adapt, adapted_predictor
from metanas.meta.loss import TaskLoss
from metanas.meta.optimizers import FunctionalOptimizer, adam
from metanas.meta.outer import pack
from metanas.meta.reptile import displacement, mean_of_movers
from metanas.method import METHODS, Adapted, Method, Metrics, Progress, State
from metanas.models.relaxation import Schedule, annealed, pruned
from metanas.models.supernet import SuperNet
from metanas.params import Params, Tensors, expand_tasks, group_of, named_tensors
from metanas.space.space import SearchSpace


@METHODS.register("metanas")
class MetaNas(Method):
    """Reptile and DARTS with annealed soft pruning (Elsken et al., 2020)."""

    transductive = False
    trains = True

    @dataclass(frozen=True)
    class Settings:
        """steps, test_steps: pairs of an architecture and a weight step, in training and at test.

        outer_*_step: Reptile's step sizes, linear to 0. warm_up: the share of iterations, at the start, that
        train the weights alone. temperature: of a task's last step, the first has 1. threshold: candidates
        of less weight are dropped. schedule: of the temperature, linear | geometric.
        """

        space: SearchSpace = field(default_factory=SearchSpace)
        steps: Count = 5
        test_steps: Steps = 10
        weight_rate: Rate = 0.01
        arch_rate: Rate = 0.02
        outer_weight_step: Rate = 0.7
        outer_arch_step: Rate = 0.42
        warm_up: Share = 0.5
        temperature: Positive = 0.05
        threshold: Annotated[float, Range(least=0, below=1)] = 0.01
        schedule: Schedule = "linear"

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        self.settings = settings
        self.net = SuperNet(settings.space, specs)

    def start(self, generator: torch.Generator) -> State:
        return pack(self.net.init(generator))

    def step(self, state: State, progress: Progress, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        s, params = self.settings, state.params
        searches = progress.iteration >= s.warm_up * progress.total
        size = {
            "weights": s.outer_weight_step * progress.remaining,
            "arch": s.outer_arch_step * progress.remaining,
        }

        def move(episodes: Episodes) -> tuple[Tensors, Tensor]:
            return displacement(
                self.losses(episodes.spec, s.steps, anneal=searches),
                params,
                episodes,
                policy=self._policy(searches=searches),
                steps=s.steps,
                turns=2,
            )

        displacements, losses = mean_over_tasks(batch, move)
        mean = mean_of_movers(displacements)
        return State({name: t + size[group_of(name)] * mean[name] for name, t in state.items()}), losses

    def phases(self) -> Sequence[float]:
        """Where the architecture steps begin."""
        return (self.settings.warm_up,)

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        start, steps = expand_tasks(state.params, len(support.y)), self.settings.test_steps
        losses = self.losses(spec, steps, anneal=True)
        adapted = adapt(losses, start, [support] * (2 * steps), policy=self._policy(searches=True), order=0)
        return adapted_predictor(losses[-1], adapted)

    def adapt_with(self, state: State, spec: TaskSpec, support: Batch, arch: Tensors) -> Adapted | None:
        s = self.settings
        policy = ParamGroups(adam(s.weight_rate, beta1=0.0), None)
        return adapt_weights(self.net, spec, state.params, support, arch, policy=policy, steps=s.test_steps)

    def fixed_archs(self, state: State, spec: TaskSpec) -> dict[str, Tensors]:
        return fixed_archs(self.net, state.group("arch"), spec)

    def losses(self, spec: TaskSpec, steps: int, *, anneal: bool) -> list[TaskLoss]:
        """One loss per gradient step, 2 * steps, at falling temperature; all by softmax without `anneal`."""
        s = self.settings
        losses: list[TaskLoss] = []
        for step in range(steps):
            temperature = annealed(1.0, s.temperature, step, steps, s.schedule) if anneal else 1.0
            relax = pruned(temperature, s.threshold if anneal else 0.0)
            losses += [TaskLoss(self.net, spec, relax)] * 2
        return losses

    def _policy(self, *, searches: bool) -> "_Alternating":
        s = self.settings
        arch = adam(s.arch_rate, beta1=0.0) if searches else None
        return _Alternating(adam(s.weight_rate, beta1=0.0), arch)


@dataclass(frozen=True)
class _Alternating:
    """A `StepPolicy`: the architecture moves in even steps, the weights in odd ones, as in DARTS."""

    weights: FunctionalOptimizer
    arch: FunctionalOptimizer | None

    def for_step(self, params: Params, step: int) -> list[FunctionalOptimizer | None]:
        group, optimizer = ("arch", self.arch) if step % 2 == 0 else ("weights", self.weights)
        return [optimizer if group_of(name) == group else None for name in named_tensors(params)]
