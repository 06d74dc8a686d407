"""iMAML: MAML by implicit gradients of a proximal inner problem.

Rajeswaran, Finn, Kakade, Levine: Meta-Learning with Implicit Gradients (NeurIPS 2019), algorithms 1-2:
lambda about 2, 16 gradient steps inside and 5 steps of conjugate gradients. Where we differ: architecture
logits are part of the inner problem, and the default budget affords fewer steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from metanas.episode import Batch, Episodes, TaskSpec
from metanas.kinds import METHODS
from metanas.meta.implicit import meta_gradient, proximal
from metanas.meta.inner import Rules, TaskLoss, What, adapt, moves, predicting
from metanas.meta.outer import descend, over_domains, pack, params_of
from metanas.meta.rule import adam, sgd
from metanas.method import Adapted, Method, Metrics, Moment, State
from metanas.networks.choice import Choice, build
from metanas.params import Tensors, detach, stack
from metanas.supernet.space import SearchSpace


@METHODS.register("imaml")
class IMaml(Method):
    """MAML by implicit gradients (Rajeswaran et al., 2019)."""

    transductive = False
    trains = True

    @dataclass(frozen=True)
    class Settings:
        """strength: lambda of the proximal term. cg_steps: of conjugate gradients."""

        network: Choice = field(default_factory=Choice)
        space: SearchSpace = field(default_factory=SearchSpace)
        adapts: What = "both"
        steps: int = 8
        test_steps: int = 8
        weight_rate: float = 0.1
        arch_rate: float = 0.3
        strength: float = 2.0
        cg_steps: int = 5
        outer_weight_rate: float = 3e-3
        outer_arch_rate: float = 1e-2
        clip: float = 1.0

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        self.settings = settings
        self.net = build(settings.network, settings.space, specs)
        self.transductive = settings.network.transductive
        self.rules = Rules(sgd(settings.weight_rate), sgd(settings.arch_rate), moves(settings.adapts))

    def start(self, generator: torch.Generator) -> State:
        return pack(self.net.init(generator))

    def step(self, state: State, moment: Moment, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        s, params = self.settings, detach(params_of(state))

        def gradient(episodes: Episodes) -> tuple[Tensors, float]:
            loss = TaskLoss(self.net, episodes.spec)
            return meta_gradient(
                loss,
                params,
                episodes,
                rules=self.rules,
                steps=s.steps,
                strength=s.strength,
                cg_steps=s.cg_steps,
            )

        gradients, losses = over_domains(batch, gradient, limit=s.clip)
        rates = {"weights": s.outer_weight_rate, "arch": s.outer_arch_rate}
        rule = {name: adam(rate * moment.left) for name, rate in rates.items()}
        return descend(state, gradients, lambda name: rule[name.partition("/")[0]]), losses

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        start, loss = stack(params_of(state), len(support.y)), TaskLoss(self.net, spec)
        near = proximal(loss, start, self.settings.strength)
        steps = [support] * self.settings.test_steps
        return predicting(loss, adapt(near, start, steps, rules=self.rules, order=0))
