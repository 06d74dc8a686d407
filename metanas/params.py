"""What meta-learning moves: network weights and architecture logits, as one plain value.

Networks here hold structure only; their numbers travel as `Params`, so a learner that moves one group
says so in one line, a checkpoint has both, and `torch.func` differentiates the value as it stands.
In the inner loop every tensor has a leading task dimension T (`stack`).
"""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

Tensors = dict[str, Tensor]


class Params(NamedTuple):
    """weights: the network's parameters by name. arch: logits by choice group, empty for a fixed net."""

    weights: Tensors
    arch: Tensors


def each(function: Callable[[Tensor], Tensor], params: Params) -> Params:
    """The same function on every tensor."""
    return Params(*({name: function(t) for name, t in group.items()} for group in params))


def stack(params: Params, tasks: int) -> Params:
    """One row per task, (T, ...) views of the same numbers; gradients add up over the rows."""
    return each(lambda t: t.expand(tasks, *t.shape), params)


def detach(params: Params) -> Params:
    """The same numbers as new leaves that want gradients."""
    return each(lambda t: t.detach().requires_grad_(), params)


def tensors(params: Params) -> list[Tensor]:
    """All tensors, weights first, in a fixed order."""
    return [*params.weights.values(), *params.arch.values()]


def like(params: Params, values: list[Tensor]) -> Params:
    """`values`, in the order of `tensors`, under the names of `params`."""
    rest = iter(values)
    return Params(*({name: next(rest) for name in group} for group in params))


def named(params: Params) -> Tensors:
    """All tensors in that order, as weights/<name> and arch/<name>."""
    weights = {f"weights/{name}": t for name, t in params.weights.items()}
    return weights | {f"arch/{name}": t for name, t in params.arch.items()}
