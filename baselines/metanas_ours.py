"""MetaNAS-ours: a head of class prototypes, then MAML steps on weights and architecture at learned rates.

This project's own method, combined from parts that work at small budgets. The head of a task is the
nearest-mean classifier of its support set, as in Proto-MAML (Triantafillou et al., ICLR 2020, sec. 3: w_k = 2
c_k, b_k = -|c_k|^2, here both times sharpness / features, as our ProtoNet has it), so that adaptation starts
where ProtoNet (Snell et al., 2017) ends; then weights and architecture logits take first-order MAML steps
(Finn et al., 2017; Lian et al., 2020), every node candidate at a rate that the outer loop learns. The outer
loss sums the query loss after every step and before the first one (MAML++, Antoniou et al., 2019, eq. 4), the
latter also among the classes of all tasks of a batch; and a classifier of all meta-train classes on these
features adds the signal of pretraining (Chen et al., 2019). Settings were chosen on meta-validation classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from metanas.base.ranges import Count, Limit, NonNegative, Positive, Rate, Steps, Weight
from metanas.data.episode import Batch, Episodes, TaskSpec, one_of_each
from metanas.meta.given_arch import WeightsOnly, embed_with, fixed_archs
from metanas.meta.inner import Order, adapt, adapted_predictor, moves, trajectory
from metanas.meta.loss import TaskLoss, cross_entropy
from metanas.meta.optimizers import adam
from metanas.meta.outer import descend, leaves, over_domains, pack
from metanas.meta.pretrain import class_loss, classifiers
from metanas.meta.prototypes import embed, prototype_head, start_with_head, wide_loss
from metanas.meta.rates import LearnedRates, start_nodes
from metanas.meta.replay import Replay
from metanas.meta.reptile import support_and_query
from metanas.method import METHODS, Adapted, Method, Metrics, Progress, State
from metanas.models.build import build
from metanas.models.network import head_name
from metanas.models.supernet import SuperNet
from metanas.params import Params, Tensors, group_of, named_tensors
from metanas.search.discretize import single
from metanas.space.network_config import NetworkConfig
from metanas.space.space import SearchSpace


@METHODS.register("metanas-ours")
class MetaNasOurs(Method):
    """Prototype head, then MAML on weights and architecture at learned per-node rates (ours)."""

    transductive = False
    trains = True

    @dataclass(frozen=True)
    class Settings:
        """weight_rate, arch_rate: initial values of the learned inner rates. outer_*: of Adam, linear to 0.

        sharpness: of the prototype head, as ProtoNet's. Weights in the outer loss: before, of the query loss
        before the first step; wide, of the same among the classes of all tasks of a batch; after, of the
        losses after each step, in equal parts; pretrain, of the loss over all meta-train classes. clip: the
        largest norm of a meta-gradient.
        """

        network: NetworkConfig = field(default_factory=NetworkConfig)
        space: SearchSpace = field(default_factory=SearchSpace)
        second_order: bool = False
        steps: Count = 2
        test_steps: Steps = 2
        weight_rate: Positive = 0.03
        arch_rate: Positive = 0.3
        sharpness: NonNegative = 8.0
        before: Weight = 0.7
        wide: Weight = 1.0
        after: Weight = 0.3
        pretrain: Weight = 0.3
        outer_weight_rate: Rate = 6e-3
        outer_arch_rate: Rate = 1e-2
        outer_eta_rate: Rate = 1e-2
        clip: Limit = 1.0

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        self.settings, self.specs = settings, one_of_each(specs)
        self.net = build(settings.network, settings.space, specs)
        self.transductive = settings.network.transductive
        self.replay = Replay(self.net)

    def start(self, generator: torch.Generator) -> State:
        s, params = self.settings, self.net.init(generator)
        rates = start_nodes(params, s.steps, s.weight_rate, s.arch_rate)
        return pack(params, rates) | classifiers(self.net, params, self.specs)

    def step(self, state: State, progress: Progress, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        s, learned = self.settings, leaves(state, ("weights", "arch", "rates", "classifier"))

        def compute(learned: State, episodes: Episodes) -> tuple[Tensors, Tensor]:
            params, classifier = learned.params, f"classifier/{episodes.spec.name}"
            loss, pretrain = self._losses(params, learned.rates, learned[classifier], episodes)
            at = named_tensors(params) | {f"rates/{name}": t for name, t in learned.rates.items()}
            at[classifier] = learned[classifier]
            partials = torch.autograd.grad(
                loss + s.pretrain * pretrain, list(at.values()), allow_unused=True, materialize_grads=True
            )
            return dict(zip(at, partials, strict=True)), loss.detach()

        gradients, losses = over_domains(
            batch,
            lambda episodes: self.replay(
                "step" if TaskLoss(self.net, episodes.spec).is_static else None, compute, learned, episodes
            ),
            limit=s.clip,
            whole=True,
        )
        rates = {"weights": s.outer_weight_rate, "classifier": s.outer_weight_rate}
        rates |= {"arch": s.outer_arch_rate, "rates": s.outer_eta_rate}
        optimizer = {name: adam(rate * progress.remaining) for name, rate in rates.items()}
        return descend(state, gradients, lambda name: optimizer[group_of(name)]), losses

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        params = state.params
        with torch.no_grad():
            embedded = embed(self.net, params, spec, support.x, apart=self.transductive)
            start = self._prototype_start(params, spec, support, embedded)
        loss, policy = TaskLoss(self.net, spec), self._policy(state.rates)
        steps = [support] * self.settings.test_steps
        return adapted_predictor(loss, adapt(loss, start, steps, policy=policy, order=0))

    def adapt_with(self, state: State, spec: TaskSpec, support: Batch, arch: Tensors) -> Adapted | None:
        if not isinstance(self.net, SuperNet):
            return None
        params, steps = state.params, [support] * self.settings.test_steps
        with torch.no_grad():
            embedded = embed_with(self.net, params.weights, spec, support.x, arch)
            start = self._prototype_start(params, spec, support, embedded)._replace(arch=arch)
        loss, policy = TaskLoss(self.net, spec, single), WeightsOnly(self._policy(state.rates))
        return adapted_predictor(loss, adapt(loss, start, steps, policy=policy, order=0))

    def fixed_archs(self, state: State, spec: TaskSpec) -> dict[str, Tensors]:
        return fixed_archs(self.net, state.group("arch"), spec)

    def _prototype_start(self, params: Params, spec: TaskSpec, support: Batch, embedded: Tensor) -> Params:
        """T tasks' parameters (T, ...) before the first step, with heads from support features (T, B, F)."""
        head = prototype_head(embedded, support, spec.ways, self.settings.sharpness)
        return start_with_head(params, *head)

    def _losses(
        self, params: Params, rates: Tensors, classifier: Tensor, episodes: Episodes
    ) -> tuple[Tensor, Tensor]:
        """The weighted sum of query losses, and the loss over all meta-train classes."""
        s, spec, everything = self.settings, episodes.spec, support_and_query(episodes)
        embedded = embed(self.net, params, spec, everything.x, apart=self.transductive)
        labelled = episodes.support.y.shape[1]
        start = self._prototype_start(params, spec, episodes.support, embedded[:, :labelled])
        head = head_name(params.weights, spec.ways, embedded.shape[-1])
        weight, bias = start.weights[f"{head}.weight"], start.weights[f"{head}.bias"]
        queries = embedded[:, labelled:]
        logits = queries @ weight.transpose(1, 2) + bias[:, None]
        total = s.before * cross_entropy(logits, episodes.query.y).mean()
        total = total + s.wide * wide_loss(queries, weight, bias, episodes)
        loss, support = TaskLoss(self.net, spec), [episodes.support] * s.steps
        order: Order = 2 if s.second_order else 1
        for adapted in trajectory(loss, start, support, policy=self._policy(rates), order=order):
            total = total + s.after / s.steps * loss(adapted, episodes.query).mean()
        return total, class_loss(classifier, embedded, everything, episodes)

    def _policy(self, rates: Tensors) -> LearnedRates:
        return LearnedRates(rates, "node", moves("both"))
