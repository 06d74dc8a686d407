"""Pretrain and fine-tune: a classifier of all meta-train classes, whose features then adapt to the task.

Chen, Liu, Kira, Wang, Huang: A Closer Look at Few-shot Classification (ICLR 2019), training as in
"Baseline". Every domain has a linear classifier of its meta-train classes on the shared features; at a task
a new head, and with adapts=both all the rest, takes Adam steps on the support. Where we differ: Baseline
leaves the features as they are (that is `linear-probe`, or adapts=head); examples come in the episodes that
all methods get, so that the budget is the same, and the architecture is learned too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from metanas.episode import Batch, Episodes, TaskSpec
from metanas.kinds import METHODS
from metanas.meta.embed import embed
from metanas.meta.inner import Rules, TaskLoss, What, moves, predictor
from metanas.meta.outer import descend, group, over_domains, pack, params_of
from metanas.meta.pretrain import class_loss, classifiers
from metanas.meta.reptile import together
from metanas.meta.rule import adam
from metanas.method import Adapted, Method, Metrics, Moment, State
from metanas.networks.choice import Choice, build
from metanas.params import Tensors, detach, named
from metanas.supernet.space import SearchSpace


@METHODS.register("finetune")
class FineTune(Method):
    """Pretrain on all meta-train classes, then adapt everything (Chen et al., 2019)."""

    transductive = False
    trains = True

    @dataclass(frozen=True)
    class Settings:
        """weight_rate, arch_rate, test_steps: of Adam on a test task. adapts: both | weights | head."""

        network: Choice = field(default_factory=Choice)
        space: SearchSpace = field(default_factory=SearchSpace)
        adapts: What = "both"
        test_steps: int = 20
        weight_rate: float = 3e-3
        arch_rate: float = 1e-2
        outer_weight_rate: float = 3e-3
        outer_arch_rate: float = 1e-2
        clip: float = 1.0

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        self.settings, self.specs = settings, tuple(specs)
        self.net = build(settings.network, settings.space, specs)
        self.transductive = settings.network.transductive
        self.rules = Rules(adam(settings.weight_rate), adam(settings.arch_rate), moves(settings.adapts))

    def start(self, generator: torch.Generator) -> State:
        params = self.net.init(generator)
        return pack(params) | classifiers(self.net, params, self.specs)

    def step(self, state: State, moment: Moment, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        s, params = self.settings, detach(params_of(state))
        of_all = {name: t.detach().requires_grad_() for name, t in group(state, "classifier").items()}

        def gradient(episodes: Episodes) -> tuple[Tensors, float]:
            spec, everything = episodes.spec, together(episodes)
            found = embed(self.net, params, spec, everything.x, apart=self.transductive)
            loss = class_loss(of_all[spec.name], found, everything, episodes)
            at = named(params) | {f"classifier/{spec.name}": of_all[spec.name]}
            gradients = torch.autograd.grad(
                loss, list(at.values()), allow_unused=True, materialize_grads=True
            )
            return dict(zip(at, gradients, strict=True)), float(loss.detach())

        gradients, losses = over_domains(batch, gradient, limit=s.clip)
        rates = {"weights": s.outer_weight_rate, "classifier": s.outer_weight_rate, "arch": s.outer_arch_rate}
        rule = {name: adam(rate * moment.left) for name, rate in rates.items()}
        return descend(state, gradients, lambda name: rule[name.partition("/")[0]]), losses

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        loss = TaskLoss(self.net, spec)
        return predictor(loss, params_of(state), support, rules=self.rules, steps=self.settings.test_steps)
