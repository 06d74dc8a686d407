"""What meta-learning moves: network weights and architecture logits, as one value. Torch-free to import.

Networks hold structure only; their parameters travel as `Params`, so that `torch.func` can differentiate the
value. In the inner loop every tensor has a leading task dimension T (`expand_tasks`). Logits of one domain or
modality, which are added to the shared ones, are named <group>@<domain or modality> (`own_arch`).

In a learner's state and in gradients a tensor is named by its group and its own name: weights/<name>,
arch/<name>, rates/<name> (learned inner learning rates), memory/<j>/<name> (an optimizer's j-th moment).
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from metanas.data.episode import Batch

if TYPE_CHECKING:
    from torch import Tensor

Tensors = dict[str, "Tensor"]


class Params(NamedTuple):
    """weights: the network's parameters by name. arch: architecture logits by choice group, or empty."""

    weights: Tensors
    arch: Tensors


Loss = Callable[[Params, Batch], "Tensor"]  # params and batch of T tasks -> mean loss of each task, (T,)


def tree_map(function: Callable[["Tensor"], "Tensor"], params: Params) -> Params:
    """Apply a function to every tensor."""
    return Params(*({name: function(t) for name, t in group.items()} for group in params))


def expand_tasks(params: Params, tasks: int) -> Params:
    """One row per task: (T, ...) views of the same tensors, so that gradients add up over the rows."""
    return tree_map(lambda t: t.expand(tasks, *t.shape), params)


def detach(params: Params) -> Params:
    """The same values as new leaf tensors that require gradients."""
    return tree_map(lambda t: t.detach().requires_grad_(), params)


def tensors(params: Params) -> list["Tensor"]:
    """All tensors in a fixed order, weights first."""
    return [*params.weights.values(), *params.arch.values()]


def unflatten_like(params: Params, values: list["Tensor"]) -> Params:
    """`values`, in the order of `tensors`, under the names of `params`."""
    rest = iter(values)
    return Params(*({name: next(rest) for name in group} for group in params))


def named_tensors(params: Params) -> Tensors:
    """All tensors in the order of `tensors`, as weights/<name> and arch/<name>."""
    weights = {f"weights/{name}": t for name, t in params.weights.items()}
    return weights | {f"arch/{name}": t for name, t in params.arch.items()}


def own_arch(arch: Mapping[str, "Tensor"], level: str) -> Tensors:
    """The logits of one domain or modality: the shared ones plus its own, named <group>@<level>, if any."""
    return {
        name: t + arch[own] if (own := f"{name}@{level}") in arch else t
        for name, t in arch.items()
        if "@" not in name
    }


def group_of(name: str) -> str:
    """The group of a tensor's full name: weights/stem.bias -> weights."""
    return name.partition("/")[0]
