"""What the supernet methods do under a given architecture, and what they would take without seeing a task.

Behind `Method.adapt_with` and `Method.fixed_archs`, with which an evaluation asks whether the architecture
that a method adapts is worth anything. Given architectures are hard logits (T, ...) of T tasks
(`search/discretize.py`); the network then computes the chosen candidates only, and only weights adapt.
"""

from typing import NamedTuple

from torch import Tensor
from torch.func import functional_call, vmap

from metanas.data.episode import Batch, TaskSpec
from metanas.meta.inner import Memory, StepPolicy, adapt, adapted_predictor
from metanas.meta.loss import TaskLoss
from metanas.meta.optimizers import FunctionalOptimizer
from metanas.method import Adapted
from metanas.models.network import Network
from metanas.models.supernet import SuperNet
from metanas.params import Params, Tensors, expand_tasks, group_of, named_tensors
from metanas.search.discretize import discretize, single


class WeightsOnly(NamedTuple):
    """A `StepPolicy` that moves what `policy` moves, but no architecture logit."""

    policy: StepPolicy

    def for_step(self, params: Params, step: int) -> list[FunctionalOptimizer | None]:
        """The policy's optimizers; None for every architecture logit."""
        names = named_tensors(params)
        moving = self.policy.for_step(params, step)
        return [None if group_of(n) == "arch" else o for n, o in zip(names, moving, strict=True)]


def start_with(params: Params, arch: Tensors, tasks: int) -> Params:
    """Parameters (T, ...) of `tasks` tasks that share the weights and have these hard logits (T, ...)."""
    return Params(expand_tasks(params, tasks).weights, dict(arch))


def adapt_weights(
    net: Network,
    spec: TaskSpec,
    params: Params,
    support: Batch,
    arch: Tensors,
    *,
    policy: StepPolicy,
    steps: int,
    memory: Memory | None = None,
    one_by_one: bool = False,
) -> Adapted | None:
    """As `inner.predictor`, but under the given architectures; None for another network than a supernet."""
    if not isinstance(net, SuperNet):
        return None
    loss, start = TaskLoss(net, spec, single), start_with(params, arch, len(support.y))
    adapted = adapt(loss, start, [support] * steps, policy=WeightsOnly(policy), order=0, memory=memory)
    return adapted_predictor(loss, adapted, support if one_by_one else None)


def embed_with(net: SuperNet, weights: Tensors, spec: TaskSpec, x: Tensor, arch: Tensors) -> Tensor:
    """x (T, B, *input_shape) to features (T, B, F), every task under its own architecture."""
    mixture = single(arch)

    def features(shares: Tensors, x: Tensor) -> Tensor:
        output: Tensor = functional_call(net, weights, (x, mixture.of(shares), spec), {"head": False})
        return output

    embedded: Tensor = vmap(features)(mixture.weights, x)
    return embedded


def fixed_archs(net: Network, arch: Tensors, spec: TaskSpec) -> dict[str, Tensors]:
    """Hard logits of the strongest candidates of unadapted logits, as `Method.fixed_archs` has them.

    "domain" only where the space has logits of every modality or domain (`SearchSpace.levels`).
    """
    if not isinstance(net, SuperNet):
        return {}
    space, shared = net.space, {name: t for name, t in arch.items() if "@" not in name}
    found = {"shared": discretize(space, shared, spec)}
    return found | ({"domain": discretize(space, arch, spec)} if space.level(spec) else {})
