"""Reptile on the supernet: weights and architecture move to where adaptation takes them.

Nichol, Achiam, Schulman: On First-Order Meta-Learning Algorithms (2018), Adam(beta1 = 0) inside, outer
step linearly to 0; on weights and architecture alike as in MetaNAS (Elsken et al., CVPR 2020), without
its soft pruning. Where we differ: layer norms (no transduction), and the mean over tasks is, tensor by
tensor, over the domains that move it: a mean over all would shrink the step of a stem, which only one
domain uses, and one outer step per domain in turn drags the shared layers to whichever comes last
(langid lost 4 points that way).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from metanas.episode import Batch, Episodes, TaskSpec
from metanas.kinds import METHODS
from metanas.meta.inner import Rules, TaskLoss, What, moves, predictor
from metanas.meta.kept import gained, is_kept, nothing_yet, recalled
from metanas.meta.outer import pack, params_of
from metanas.meta.reptile import displacement, mean_of_movers
from metanas.meta.rule import adam
from metanas.method import Adapted, Method, Metrics, Moment, State
from metanas.networks.choice import Choice, build
from metanas.parallel import averaged
from metanas.params import Tensors
from metanas.supernet.space import SearchSpace


@METHODS.register("reptile")
class Reptile(Method):
    """Reptile on weights and architecture (Nichol et al., 2018)."""

    transductive = False
    trains = True

    @dataclass(frozen=True)
    class Settings:
        """Rates are per step; outer_step falls linearly to 0; test tasks get test_steps steps.

        test_weight_rate: of test tasks; None: weight_rate. A lower one than in training is worth points.
        keep_moments: Adam's moments stay from task to task and begin test tasks too, as in the paper's code.
        one_by_one: a query sees the support set alone, also under batch norm: the paper's "no transduction".
        """

        network: Choice = field(default_factory=Choice)
        space: SearchSpace = field(default_factory=SearchSpace)
        adapts: What = "both"
        steps: int = 5
        test_steps: int = 20
        weight_rate: float = 0.01
        test_weight_rate: float | None = None
        arch_rate: float = 0.005
        outer_step: float = 1.0
        keep_moments: bool = False
        one_by_one: bool = False

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        self.settings = settings
        self.net = build(settings.network, settings.space, specs)
        self.transductive = settings.network.transductive and not settings.one_by_one
        s, last = settings, settings.test_weight_rate
        self.rules = Rules(adam(s.weight_rate, beta1=0.0), adam(s.arch_rate, beta1=0.0), moves(s.adapts))
        self.test_rules = self.rules if last is None else self.rules._replace(weights=adam(last, beta1=0.0))

    def start(self, generator: torch.Generator) -> State:
        params = self.net.init(generator)
        return pack(params) | (nothing_yet(params, self.rules) if self.settings.keep_moments else {})

    def step(self, state: State, moment: Moment, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        params, s = params_of(state), self.settings

        def move(episodes: Episodes) -> tuple[Tensors, float]:
            loss, memory = TaskLoss(self.net, episodes.spec), recalled(state, params, len(episodes.query.y))
            change, after = displacement(
                loss, params, episodes, rules=self.rules, steps=s.steps, memory=memory
            )
            return change | gained(state, params, memory), after

        moves, losses = averaged(batch, move)
        size, way = s.outer_step * moment.left, mean_of_movers(moves)
        return {name: t + (1 if is_kept(name) else size) * way[name] for name, t in state.items()}, losses

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        loss, params, s = TaskLoss(self.net, spec), params_of(state), self.settings
        memory = recalled(state, params, len(support.y))
        return predictor(
            loss,
            params,
            support,
            rules=self.test_rules,
            steps=s.test_steps,
            memory=memory,
            one_by_one=s.one_by_one,
        )
