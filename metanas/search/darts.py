"""DARTS' architecture gradient: of the validation loss after one step of the weights on the training loss.

Liu et al., 2019, "DARTS", eq. 5-8, for T tasks side by side: with w' = w - rate * grad_w train(w, a),
    grad_a valid(w', a) - rate * (d2 train / da dw) grad_w' valid(w', a).
`first` drops the second term (w' = w), `finite` approximates it by the paper's central difference, `exact`
differentiates through the step, which costs about as much and has no step size to choose.
"""

from typing import Literal

import torch
from torch import Tensor

from metanas.data.episode import Batch
from metanas.params import Loss, Params, Tensors, detach

Order = Literal["first", "finite", "exact"]


def arch_gradient(
    loss: Loss,
    params: Params,
    train: Batch,
    valid: Batch,
    *,
    rate: float,
    order: Order,
    small: float = 0.01,
) -> tuple[Tensors, Tensor]:
    """Each task's gradient (T, ...) of the validation loss for its architecture logits, and that loss (T,).

    params: tensors (T, ...). rate: of the virtual step of the weights, not used in first order.
    small: how far `finite` moves the weights (the paper's value, its footnote 2). Across ReLU's kinks that is
    coarse: with 0.01 it differs from `exact` by some percent, with 1e-4 in float64 by 1e-8.
    """
    params = detach(params)
    if order == "first":
        losses = loss(params, valid)
        return _gradient(losses.sum(), params.arch), losses.detach()
    stepped = step(loss, params, train, rate, create_graph=order == "exact")
    if order == "exact":
        losses = loss(stepped, valid)
        return _gradient(losses.sum(), params.arch), losses.detach()
    stepped = detach(stepped)._replace(arch=params.arch)
    losses = loss(stepped, valid)
    partials = torch.autograd.grad(
        losses.sum(), [*stepped.weights.values(), *params.arch.values()], allow_unused=True
    )
    direction, direct = partials[: len(params.weights)], partials[len(params.weights) :]
    mixed = _mixed_difference(loss, params, train, direction, small)
    gradients = {
        name: (torch.zeros_like(t) if g is None else g) - rate * mixed[name]
        for (name, t), g in zip(params.arch.items(), direct, strict=True)
    }
    return gradients, losses.detach()


def step(loss: Loss, params: Params, train: Batch, rate: float, *, create_graph: bool) -> Params:
    """`params` after one gradient descent step of the weights (eq. 6); the architecture does not move."""
    gradients = torch.autograd.grad(
        loss(params, train).sum(),
        list(params.weights.values()),
        create_graph=create_graph,
        allow_unused=True,
    )
    moved = {
        name: t if g is None else t - rate * g
        for (name, t), g in zip(params.weights.items(), gradients, strict=True)
    }
    return params._replace(weights=moved)


def _mixed_difference(
    loss: Loss, params: Params, train: Batch, direction: tuple[Tensor | None, ...], small: float
) -> Tensors:
    """(grad_a train(w + e v) - grad_a train(w - e v)) / 2e (eq. 8); e = small / |v|, per task."""
    squares = [v.square().flatten(1).sum(1) for v in direction if v is not None]
    e = small / torch.stack(squares).sum(0).sqrt().clamp_min(1e-12)  # (T,)

    def gradient_at(sign: float) -> Tensors:
        moved = {
            name: t if v is None else t.detach() + sign * e.view(-1, *[1] * (t.dim() - 1)) * v
            for (name, t), v in zip(params.weights.items(), direction, strict=True)
        }
        return _gradient(loss(params._replace(weights=moved), train).sum(), params.arch)

    ahead, behind = gradient_at(1.0), gradient_at(-1.0)
    return {
        name: (ahead[name] - behind[name]) / (2 * e.view(-1, *[1] * (t.dim() - 1)))
        for name, t in ahead.items()
    }


def _gradient(total: Tensor, arch: Tensors) -> Tensors:
    """Gradient for the architecture logits by name; zeros where the loss does not use them."""
    gradients = torch.autograd.grad(total, list(arch.values()), allow_unused=True)
    return {
        name: torch.zeros_like(t) if g is None else g
        for (name, t), g in zip(arch.items(), gradients, strict=True)
    }
