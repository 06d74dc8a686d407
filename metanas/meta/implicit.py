"""iMAML's meta-gradient: by the implicit function theorem, from the adapted parameters alone.

Rajeswaran, Finn, Kakade, Levine: Meta-Learning with Implicit Gradients (NeurIPS 2019). The inner problem is
phi(theta) = argmin loss(phi) + lambda / 2 |phi - theta|^2 (eq. 3), and the meta-gradient solves
(I + H / lambda) g = d query loss / d phi (lemma 1, eq. 6) by conjugate gradients (sec. 3.1), so memory does
not grow with the inner steps.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from metanas.data.episode import Batch, Episodes
from metanas.meta.inner import ParamGroups, adapt
from metanas.params import Loss, Params, Tensors, detach, expand_tasks, named_tensors, tensors, unflatten_like

Vectors = list[Tensor]  # one vector per task, in parts: (T, ...) each


def proximal(loss: Loss, start: Params, strength: float) -> Loss:
    """The loss plus strength / 2 times the squared distance from `start` (T, ...)."""
    centre = [t.detach() for t in tensors(start)]

    def total(params: Params, batch: Batch) -> Tensor:
        losses = loss(params, batch)
        for t, c in zip(tensors(params), centre, strict=True):
            losses = losses + 0.5 * strength * (t - c).square().flatten(1).sum(1)
        return losses

    return total


def meta_gradient(
    loss: Loss,
    params: Params,
    episodes: Episodes,
    *,
    policy: ParamGroups,
    steps: int,
    strength: float,
    cg_steps: int,
) -> tuple[Tensors, Tensor]:
    """Gradient of the mean query loss of T tasks by name, and that loss.

    steps: inner gradient steps. strength: lambda of the proximal term. cg_steps: of conjugate gradients. A
    tensor that does not adapt gets the plain gradient at the adapted parameters, zero where it is not used.
    """
    start = expand_tasks(params, episodes.support.y.shape[0])
    inner_loss = proximal(loss, start, strength)
    adapted = detach(adapt(inner_loss, start, [episodes.support] * steps, policy=policy, order=0))
    moving = [optimizer is not None for optimizer in policy.for_step(adapted, 0)]
    leaves = tensors(adapted)
    losses = loss(adapted, episodes.query)
    partials = torch.autograd.grad(losses.sum(), leaves, allow_unused=True)
    gradients = [torch.zeros_like(t) if g is None else g for t, g in zip(leaves, partials, strict=True)]
    moving_leaves = [t for t, m in zip(leaves, moving, strict=True) if m]
    hessian = _hessian(loss, adapted, episodes.support, moving_leaves)

    def multiply(v: Vectors) -> Vectors:
        return [a + h / strength for a, h in zip(v, hessian(v), strict=True)]

    right = [g for g, m in zip(gradients, moving, strict=True) if m]
    solution = iter(conjugate_gradient(multiply, right, cg_steps))
    implicit = [next(solution) if m else g for g, m in zip(gradients, moving, strict=True)]
    means = [g.mean(0) for g in implicit]
    return named_tensors(unflatten_like(params, means)), losses.detach().mean()


def conjugate_gradient(multiply: Callable[[Vectors], Vectors], right: Vectors, steps: int) -> Vectors:
    """x with multiply(x) = right, for T problems at once (Hestenes and Stiefel, 1952).

    multiply: the product of each task's symmetric matrix with its vector. A problem stops where it meets no
    positive curvature: far from a minimum the Hessian may have none.
    """
    x = [torch.zeros_like(b) for b in right]
    residual = list(right)
    direction, squared = list(residual), _dot(residual, residual)
    active = squared > 0
    for _ in range(steps):
        product = multiply(direction)
        curvature = _dot(direction, product)
        active = active & (curvature > 0)
        length = torch.where(active, squared / curvature, 0.0)
        x = _add(x, length, direction)
        residual = _add(residual, -length, product)
        before, squared = squared, _dot(residual, residual)
        direction = _add(residual, torch.where(before > 0, squared / before, 0.0), direction)
    return x


def _hessian(loss: Loss, params: Params, batch: Batch, at: Sequence[Tensor]) -> Callable[[Vectors], Vectors]:
    """Product of each task's Hessian of the loss, for the tensors `at`, with a vector."""
    first = torch.autograd.grad(
        loss(params, batch).sum(), at, create_graph=True, allow_unused=True, materialize_grads=True
    )
    curved = [i for i, g in enumerate(first) if g.requires_grad]  # the others are constant: no curvature

    def multiply(v: Vectors) -> Vectors:
        products = torch.autograd.grad(
            [first[i] for i in curved], at, [v[i] for i in curved], retain_graph=True, allow_unused=True
        )
        return [torch.zeros_like(t) if h is None else h for t, h in zip(at, products, strict=True)]

    return multiply


def _dot(a: Vectors, b: Vectors) -> Tensor:
    """Inner product of each task (T,)."""
    return torch.stack([(x * y).flatten(1).sum(1) for x, y in zip(a, b, strict=True)]).sum(0)


def _add(a: Vectors, factor: Tensor, b: Vectors) -> Vectors:
    """a + factor * b with one factor per task."""
    return [x + factor.view(-1, *[1] * (x.ndim - 1)) * y for x, y in zip(a, b, strict=True)]
