"""Inner steps that are computed again for their gradient, so that memory holds the insides of one step only.

Chen, Xu, Zhang, Guestrin: Training Deep Nets with Sublinear Memory Cost (2016), with a step as the unit: of
every step only the numbers it began with are kept, T copies of the parameters, and no activations. Torch's
own `checkpoint` does not allow the gradients that are taken inside a step. `maml.meta_gradient` chooses.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from metanas.episode import Batch
from metanas.meta.inner import Loss, Stepper, trajectory
from metanas.params import Params, Tensors, like, tensors


def recomputed_trajectory(
    loss: Loss,
    params: Params,
    batches: Sequence[Batch],
    *,
    rules: Callable[[Tensors], Stepper],
    rates: Tensors,
) -> Iterator[Params]:
    """`trajectory` of order 2, each step computed twice and forgotten once; rules: how they come from rates.

    ValueError for rules with a memory of their own (momentum, Adam), which would be forgotten too.
    """
    count, names = len(tensors(params)), params
    for step, batch in enumerate(batches):
        moving = zip(rules(rates).at(params, step), tensors(params), strict=True)
        if any(rule is not None and rule.init(t) for rule, t in moving):
            raise ValueError("steps can be recomputed where rules have no memory (sgd), and these have one")

        def move(
            values: list[Tensor], *, order: Literal[0, 2], batch: Batch = batch, step: int = step
        ) -> list[Tensor]:
            now = rules(dict(zip(rates, values[count:], strict=True)))
            begin = like(names, values[:count])
            (after,) = trajectory(loss, begin, [batch], rules=now, order=order, first=step)
            return tensors(after)

        params = like(params, recomputed(move, [*tensors(params), *rates.values()]))
        yield params


class Move(Protocol):
    """One step from these tensors to others; they may depend on no other tensor that learns."""

    def __call__(self, values: list[Tensor], *, order: Literal[0, 2]) -> Sequence[Tensor]: ...


def recomputed(move: Move, values: Sequence[Tensor]) -> list[Tensor]:
    """Where the step leads; differentiable once. It runs with order 0, and with order 2 for the gradient."""
    moved: tuple[Tensor, ...] = _Recomputed.apply(move, *values)
    return list(moved)


class _Recomputed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, move: Move, *values: Tensor) -> tuple[Tensor, ...]:
        ctx.move = move
        ctx.save_for_backward(*values)
        with torch.enable_grad():
            return tuple(t.detach() for t in move(_leaves(values), order=0))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> Any:
        leaves = _leaves(ctx.saved_tensors)
        with torch.enable_grad():
            moved = ctx.move(leaves, order=2)
        alive = [(m, s) for m, s in zip(moved, slopes, strict=True) if m.requires_grad]
        at, slopes_there = [m for m, _ in alive], [s for _, s in alive]
        return None, *torch.autograd.grad(at, leaves, slopes_there, allow_unused=True)


def _leaves(values: Sequence[Tensor]) -> list[Tensor]:
    return [t.detach().requires_grad_() for t in values]
