"""MAML on the supernet: weights and architecture adapt together, meta-learned by the query loss.

Finn, Abbeel, Levine: Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks (ICML 2017),
with the architecture in the inner loop as in T-NAS (Lian et al., ICLR 2020). Where we differ: layer
norms instead of batch norms, so that no query sees another (the paper's evaluation is transductive).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from metanas.episode import Batch, Episodes, TaskSpec
from metanas.kinds import METHODS
from metanas.meta.inner import Rules, predictor, task_loss
from metanas.meta.maml import meta_gradient
from metanas.meta.outer import begin, by_group, descend, mean, params_of
from metanas.meta.rule import adam, clipped, sgd
from metanas.method import Adapted, Method, Metrics, Moment, State
from metanas.supernet.fixed import network
from metanas.supernet.space import SearchSpace


@METHODS.register("maml")
class Maml(Method):
    """MAML on weights and architecture (Finn et al., 2017)."""

    transductive = False
    trains = True

    @dataclass(frozen=True)
    class Settings:
        """Rates are per step; test_steps is how often a test task is adapted."""

        space: SearchSpace = field(default_factory=SearchSpace)
        second_order: bool = True
        steps: int = 2
        test_steps: int = 2
        weight_rate: float = 0.2
        arch_rate: float = 1.0
        outer_weight_rate: float = 3e-3
        outer_arch_rate: float = 1e-2

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        self.settings = settings
        self.net = network(settings.space, specs)
        self.rules = Rules(sgd(settings.weight_rate), sgd(settings.arch_rate))

    def start(self, generator: torch.Generator) -> State:
        params = self.net.init(generator)
        return begin(params, by_group(params, adam(0.0), adam(0.0)))

    def step(self, state: State, moment: Moment, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        s, params = self.settings, params_of(state)
        parts, losses = [], {}
        for episodes in batch:
            gradients, losses[episodes.spec.name] = meta_gradient(
                task_loss(self.net, episodes.spec),
                params,
                episodes,
                rules=self.rules,
                steps=s.steps,
                second_order=s.second_order,
            )
            parts.append(gradients)
        rules = by_group(
            params, adam(s.outer_weight_rate * moment.left), adam(s.outer_arch_rate * moment.left)
        )
        return descend(state, clipped(mean(parts), 1.0), rules), losses

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        return predictor(
            self.net, spec, params_of(state), support, rules=self.rules, steps=self.settings.test_steps
        )
