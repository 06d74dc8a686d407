"""Pretrain and fine-tune: a classifier of all meta-train classes, whose features adapt to each test task.

Chen, Liu, Kira, Wang, Huang: A Closer Look at Few-shot Classification (ICLR 2019), training as in
"Baseline". Every domain has a linear classifier of its meta-train classes on the shared features; at a test
task a new head, and with adapts=both all other parameters, take Adam steps on the support set. Where we
differ: Baseline freezes the features (that is `linear-probe`, or adapts=head); examples come in the episodes
that all methods get, so that the budget is the same, and the architecture is learned too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from metanas.base.ranges import Limit, Rate, Steps
from metanas.data.episode import Batch, Episodes, TaskSpec, one_of_each
from metanas.meta.given_arch import adapt_weights, fixed_archs
from metanas.meta.inner import ParamGroups, What, moves, predictor
from metanas.meta.loss import TaskLoss, is_static
from metanas.meta.optimizers import adam
from metanas.meta.outer import descend, leaves, over_domains, pack
from metanas.meta.pretrain import class_loss, classifiers
from metanas.meta.prototypes import embed
from metanas.meta.replay import Replay
from metanas.meta.reptile import support_and_query
from metanas.method import METHODS, Adapted, Method, Metrics, Progress, State
from metanas.models.build import build
from metanas.params import Tensors, group_of, named_tensors
from metanas.space.network_config import NetworkConfig
from metanas.space.space import SearchSpace


@METHODS.register("finetune")
class FineTune(Method):
    """Pretrain on all meta-train classes, then adapt everything (Chen et al., 2019)."""

    transductive = False
    trains = True

    @dataclass(frozen=True)
    class Settings:
        """weight_rate, arch_rate, test_steps: of Adam on a test task. outer_*: of Adam, linear to 0.

        adapts: both | weights | head. clip: the largest norm of a gradient in pretraining.
        """

        network: NetworkConfig = field(default_factory=NetworkConfig)
        space: SearchSpace = field(default_factory=SearchSpace)
        adapts: What = "both"
        test_steps: Steps = 20
        weight_rate: Rate = 3e-3
        arch_rate: Rate = 1e-2
        outer_weight_rate: Rate = 3e-3
        outer_arch_rate: Rate = 1e-2
        clip: Limit = 1.0

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        self.settings, self.specs = settings, one_of_each(specs)
        self.net = build(settings.network, settings.space, specs)
        self.transductive = settings.network.transductive
        self.replay = Replay(self.net)
        self.policy = ParamGroups(
            adam(settings.weight_rate), adam(settings.arch_rate), moves(settings.adapts)
        )

    def start(self, generator: torch.Generator) -> State:
        params = self.net.init(generator)
        return pack(params) | classifiers(self.net, params, self.specs)

    def step(self, state: State, progress: Progress, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        s, learned = self.settings, leaves(state, ("weights", "arch", "classifier"))

        def compute(learned: State, episodes: Episodes) -> tuple[Tensors, Tensor]:
            params, spec, everything = learned.params, episodes.spec, support_and_query(episodes)
            classifier = f"classifier/{spec.name}"
            embedded = embed(self.net, params, spec, everything.x, apart=self.transductive)
            loss = class_loss(learned[classifier], embedded, everything, episodes)
            at = named_tensors(params) | {classifier: learned[classifier]}
            gradients = torch.autograd.grad(
                loss, list(at.values()), allow_unused=True, materialize_grads=True
            )
            return dict(zip(at, gradients, strict=True)), loss.detach()

        kind = "step" if is_static(self.net) else None
        gradients, losses = over_domains(
            batch, lambda episodes: self.replay(kind, compute, learned, episodes), limit=s.clip
        )
        rates = {"weights": s.outer_weight_rate, "classifier": s.outer_weight_rate, "arch": s.outer_arch_rate}
        optimizer = {name: adam(rate * progress.remaining) for name, rate in rates.items()}
        return descend(state, gradients, lambda name: optimizer[group_of(name)]), losses

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        loss = TaskLoss(self.net, spec)
        return predictor(loss, state.params, support, policy=self.policy, steps=self.settings.test_steps)

    def adapt_with(self, state: State, spec: TaskSpec, support: Batch, arch: Tensors) -> Adapted | None:
        policy, steps = self.policy, self.settings.test_steps
        return adapt_weights(self.net, spec, state.params, support, arch, policy=policy, steps=steps)

    def fixed_archs(self, state: State, spec: TaskSpec) -> dict[str, Tensors]:
        return fixed_archs(self.net, state.group("arch"), spec)
