"""Reptile on weights and architecture: the initialisation moves towards the adapted parameters.

Nichol, Achiam, Schulman: On First-Order Meta-Learning Algorithms (2018), Adam(beta1 = 0) in the inner loop,
outer step linearly to 0; on weights and architecture alike as in MetaNAS (Elsken et al., CVPR 2020), without
its soft pruning. Where we differ: layer norms (no transduction), and the mean over tasks is, tensor by
tensor, over the domains that move it: a mean over all would shrink the step of a stem, which only one domain
uses, and one outer step per domain in turn drags the shared layers to the domain that comes last (langid lost
4 points that way).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from metanas.base.ranges import Count, Rate, Steps
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.meta.averaging import mean_over_tasks
from metanas.meta.carried_moments import init_moments, is_moment, load_moments, update_moments
from metanas.meta.given_arch import adapt_weights, fixed_archs
from metanas.meta.inner import ParamGroups, What, moves, predictor
from metanas.meta.loss import TaskLoss
from metanas.meta.optimizers import adam
from metanas.meta.outer import pack
from metanas.meta.replay import Replay
from metanas.meta.reptile import displacement, mean_of_movers
from metanas.method import METHODS, Adapted, Method, Metrics, Progress, State
from metanas.models.build import build
from metanas.params import Tensors
from metanas.space.network_config import NetworkConfig
from metanas.space.space import SearchSpace


@METHODS.register("reptile")
class Reptile(Method):
    """Reptile on weights and architecture (Nichol et al., 2018)."""

    transductive = False
    trains = True

    @dataclass(frozen=True)
    class Settings:
        """weight_rate, arch_rate: of the inner steps. outer_step: of the outer update, linear to 0.

        steps: parts that a training task's examples are dealt out to, one inner step each. test_weight_rate:
        of test tasks; None: weight_rate. A lower one than in training raises accuracy. keep_moments: Adam's
        moments carry over from task to task, also to test tasks, as in the paper's code.
        one_by_one: a query sees the support set alone, also under batch norm: the paper's "no transduction".
        """

        network: NetworkConfig = field(default_factory=NetworkConfig)
        space: SearchSpace = field(default_factory=lambda: SearchSpace(levels="domain"))
        adapts: What = "both"
        steps: Count = 5
        test_steps: Steps = 20
        weight_rate: Rate = 0.01
        test_weight_rate: Rate | None = None
        arch_rate: Rate = 0.05
        outer_step: Rate = 1.0
        keep_moments: bool = False
        one_by_one: bool = False

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        self.settings = settings
        self.net = build(settings.network, settings.space, specs)
        self.transductive = settings.network.transductive and not settings.one_by_one
        self.replay = Replay(self.net)
        s, test_rate = settings, settings.test_weight_rate
        self.policy = ParamGroups(
            adam(s.weight_rate, beta1=0.0), adam(s.arch_rate, beta1=0.0), moves(s.adapts)
        )
        self.test_policy = (
            self.policy if test_rate is None else self.policy._replace(weights=adam(test_rate, beta1=0.0))
        )

    def start(self, generator: torch.Generator) -> State:
        params = self.net.init(generator)
        return pack(params) | (init_moments(params, self.policy) if self.settings.keep_moments else {})

    def step(self, state: State, progress: Progress, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        s = self.settings

        def compute(state: State, episodes: Episodes) -> tuple[Tensors, Tensor]:
            loss, params = TaskLoss(self.net, episodes.spec), state.params
            memory = load_moments(state, params, len(episodes.query.y))
            change, after = displacement(
                loss, params, episodes, policy=self.policy, steps=s.steps, memory=memory
            )
            return change | update_moments(state, params, memory), after

        def move(episodes: Episodes) -> tuple[Tensors, Tensor]:
            # with keep_moments Adam's step count, a number, is part of what is computed
            is_static = TaskLoss(self.net, episodes.spec).is_static and not s.keep_moments
            return self.replay("step" if is_static else None, compute, state, episodes)

        displacements, losses = mean_over_tasks(batch, move)
        size, mean = s.outer_step * progress.remaining, mean_of_movers(displacements)
        return State(
            {name: t + (1 if is_moment(name) else size) * mean[name] for name, t in state.items()}
        ), losses

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        loss, params, s = TaskLoss(self.net, spec), state.params, self.settings
        memory = load_moments(state, params, len(support.y))
        return predictor(
            loss,
            params,
            support,
            policy=self.test_policy,
            steps=s.test_steps,
            memory=memory,
            one_by_one=s.one_by_one,
        )

    def adapt_with(self, state: State, spec: TaskSpec, support: Batch, arch: Tensors) -> Adapted | None:
        params, s = state.params, self.settings
        return adapt_weights(
            self.net,
            spec,
            params,
            support,
            arch,
            policy=self.test_policy,
            steps=s.test_steps,
            memory=load_moments(state, params, len(support.y)),
            one_by_one=s.one_by_one,
        )

    def fixed_archs(self, state: State, spec: TaskSpec) -> dict[str, Tensors]:
        return fixed_archs(self.net, state.group("arch"), spec)
