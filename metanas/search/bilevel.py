"""DARTS' two-level step: how the validation loss depends on the architecture, the weights following it.

Liu, Simonyan, Yang: DARTS (ICLR 2019), sec. 2.3. The gradient is taken at the weights after one training
step, w' = w - rate * d train / d w (eq. 6). `first` order takes w' for w; `second` differentiates through the
step exactly; `difference` is the paper's own approximation of that (eq. 8, epsilon = 0.01 / norm). For T
tasks side by side, each with its own w', epsilon and gradient.
"""

from typing import Literal

import torch
from torch import Tensor

from metanas.episode import Batch
from metanas.meta.inner import Loss
from metanas.params import Params, Tensors, detach

How = Literal["first", "second", "difference"]
EPSILON = 0.01


def arch_gradient(
    loss: Loss,
    params: Params,
    train: Batch,
    val: Batch,
    *,
    rate: float,
    how: How,
    scale: float = EPSILON,
) -> Tensors:
    """Gradient of every task's validation loss for its architecture logits, (T, ...) by name.

    scale: epsilon times the norm, of `difference`.
    """
    params = detach(params)
    if how == "first":
        return _slope(loss, params, params.arch, val)
    slope = _slope(loss, params, params.weights, train, create_graph=how == "second")
    after = {name: t - rate * slope[name] for name, t in params.weights.items()}
    if how == "second":
        return _slope(loss, Params(after, params.arch), params.arch, val)
    there = detach(Params(after, params.arch))
    both = _slope(loss, there, {**there.weights, **there.arch}, val)
    direction = {name: both[name] for name in params.weights}
    size = torch.stack([d.flatten(1).square().sum(1) for d in direction.values()]).sum(0).sqrt()
    epsilon = scale / size.clamp_min(torch.finfo(size.dtype).tiny)  # (T,)

    def at(sign: float) -> Tensors:
        moved = {n: t + sign * _wide(epsilon, t) * direction[n] for n, t in params.weights.items()}
        now = detach(Params(moved, params.arch))
        return _slope(loss, now, now.arch, train)

    ahead, behind = at(1.0), at(-1.0)
    return {
        name: both[name] - rate * (ahead[name] - behind[name]) / (2 * _wide(epsilon, both[name]))
        for name in params.arch
    }


def weight_gradient(loss: Loss, params: Params, batch: Batch) -> Tensors:
    """Gradient of every task's loss for its weights, (T, ...) by name."""
    params = detach(params)
    return _slope(loss, params, params.weights, batch)


def _slope(loss: Loss, params: Params, at: Tensors, batch: Batch, *, create_graph: bool = False) -> Tensors:
    total = loss(params, batch).sum()
    found = torch.autograd.grad(
        total, list(at.values()), create_graph=create_graph, allow_unused=True, materialize_grads=True
    )
    return dict(zip(at, found, strict=True))


def _wide(factor: Tensor, t: Tensor) -> Tensor:
    """One factor per task, shaped to multiply t (T, ...)."""
    return factor.view(-1, *[1] * (t.ndim - 1))
