"""Gradient checkpointing of the inner loop: each step is computed again in the backward pass.

Chen, Xu, Zhang, Guestrin: Training Deep Nets with Sublinear Memory Cost (2016), with an inner step as the
unit: of every step only its inputs are kept, T copies of the parameters, and no activations, so memory holds
the activations of one step. Torch's own `checkpoint` does not allow the gradients that are taken inside a
step. `maml.meta_gradient` decides when this is used.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from metanas.base.errors import InvalidValue
from metanas.data.episode import Batch
from metanas.meta.inner import StepPolicy, trajectory
from metanas.params import Loss, Params, Tensors, tensors, unflatten_like


def recomputed_trajectory(
    loss: Loss,
    params: Params,
    batches: Sequence[Batch],
    *,
    policy: Callable[[Tensors], StepPolicy],
    rates: Tensors,
) -> Iterator[Params]:
    """`trajectory` of order 2 whose steps are computed again for the gradient; params: tensors (T, ...).

    policy: from rates to the step policy. InvalidValue for optimizers that keep a state (momentum, Adam),
    which the recomputed step would not have.
    """
    count, names = len(tensors(params)), params
    for step, batch in enumerate(batches):
        moving = zip(policy(rates).for_step(params, step), tensors(params), strict=True)
        if any(optimizer is not None and optimizer.init(t) for optimizer, t in moving):
            raise InvalidValue(
                "only steps of optimizers without a state (sgd) can be recomputed, and these have one"
            )

        def move(
            values: list[Tensor], *, order: Literal[0, 2], batch: Batch = batch, step: int = step
        ) -> list[Tensor]:
            step_policy = policy(dict(zip(rates, values[count:], strict=True)))
            before = unflatten_like(names, values[:count])
            (after,) = trajectory(loss, before, [batch], policy=step_policy, order=order, first=step)
            return tensors(after)

        params = unflatten_like(params, _recomputed(move, [*tensors(params), *rates.values()]))
        yield params


class _Move(Protocol):
    """One step from these tensors to others; they may depend on no other tensor that learns."""

    def __call__(self, values: list[Tensor], *, order: Literal[0, 2]) -> Sequence[Tensor]: ...


def _recomputed(move: _Move, values: Sequence[Tensor]) -> list[Tensor]:
    """The step's result; differentiable once. It runs with order 0, and with order 2 for the gradient."""
    moved: tuple[Tensor, ...] = _Recomputed.apply(move, *values)
    return list(moved)


class _Recomputed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, move: _Move, *values: Tensor) -> tuple[Tensor, ...]:
        ctx.move = move
        ctx.save_for_backward(*values)
        with torch.enable_grad():
            return tuple(t.detach() for t in move(_leaves(values), order=0))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        leaves = _leaves(ctx.saved_tensors)
        with torch.enable_grad():
            moved = ctx.move(leaves, order=2)
        pairs = [(t, g) for t, g in zip(moved, grad_outputs, strict=True) if t.requires_grad]
        outputs, gradients = [t for t, _ in pairs], [g for _, g in pairs]
        return None, *torch.autograd.grad(outputs, leaves, gradients, allow_unused=True)


def _leaves(values: Sequence[Tensor]) -> list[Tensor]:
    return [t.detach().requires_grad_() for t in values]
