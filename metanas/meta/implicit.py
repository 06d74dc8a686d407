"""iMAML's meta-gradient: by the implicit function theorem, from the adapted numbers alone.

Rajeswaran, Finn, Kakade, Levine: Meta-Learning with Implicit Gradients (NeurIPS 2019). The inner problem is
phi(theta) = argmin loss(phi) + lambda / 2 |phi - theta|^2 (eq. 3), and the meta-gradient solves
(I + H / lambda) g = d query loss / d phi (lemma 1, eq. 6) by conjugate gradients (sec. 3.1), so memory does
not grow with the inner steps.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from metanas.episode import Batch, Episodes
from metanas.meta.inner import Loss, Rules, adapt
from metanas.params import Params, Tensors, detach, like, named, stack, tensors

Vectors = list[Tensor]  # (T, ...) each


def proximal(loss: Loss, start: Params, strength: float) -> Loss:
    """The loss plus strength / 2 times the squared distance from `start` (T, ...)."""
    centre = [t.detach() for t in tensors(start)]

    def total(params: Params, batch: Batch) -> Tensor:
        found = loss(params, batch)
        for t, c in zip(tensors(params), centre, strict=True):
            found = found + 0.5 * strength * (t - c).square().flatten(1).sum(1)
        return found

    return total


def meta_gradient(
    loss: Loss,
    params: Params,
    episodes: Episodes,
    *,
    rules: Rules,
    steps: int,
    strength: float,
    cg_steps: int,
) -> tuple[Tensors, float]:
    """Gradient of the mean query loss of T tasks by name, and that loss; zero for what does not adapt."""
    start = stack(params, episodes.support.y.shape[0])
    near = proximal(loss, start, strength)
    adapted = detach(adapt(near, start, [episodes.support] * steps, rules=rules, order=0))
    moving = [rule is not None for rule in rules.at(adapted, 0)]
    every = tensors(adapted)
    value = loss(adapted, episodes.query)
    slope = torch.autograd.grad(value.sum(), every, allow_unused=True)
    outer = [torch.zeros_like(t) if g is None else g for t, g in zip(every, slope, strict=True)]
    at = [t for t, m in zip(every, moving, strict=True) if m]
    hessian = _hessian(loss, adapted, episodes.support, at)

    def curved(v: Vectors) -> Vectors:
        return [a + h / strength for a, h in zip(v, hessian(v), strict=True)]

    solved = iter(conjugate_gradient(curved, [g for g, m in zip(outer, moving, strict=True) if m], cg_steps))
    found = [next(solved) if m else g for g, m in zip(outer, moving, strict=True)]
    return named(like(params, [g.mean(0) for g in found])), float(value.detach().mean())


def conjugate_gradient(curved: Callable[[Vectors], Vectors], right: Vectors, steps: int) -> Vectors:
    """x with curved(x) = right, for T problems at once (Hestenes and Stiefel, 1952).

    A problem stops where it meets no positive curvature: far from a minimum the Hessian may have none.
    """
    x = [torch.zeros_like(b) for b in right]
    residual = list(right)
    direction, size = list(residual), _dot(residual, residual)
    alive = size > 0
    for _ in range(steps):
        bent = curved(direction)
        curvature = _dot(direction, bent)
        alive = alive & (curvature > 0)
        length = torch.where(alive, size / curvature, 0.0)
        x = _add(x, length, direction)
        residual = _add(residual, -length, bent)
        before, size = size, _dot(residual, residual)
        direction = _add(residual, torch.where(before > 0, size / before, 0.0), direction)
    return x


def _hessian(loss: Loss, params: Params, batch: Batch, at: Sequence[Tensor]) -> Callable[[Vectors], Vectors]:
    first = torch.autograd.grad(
        loss(params, batch).sum(), at, create_graph=True, allow_unused=True, materialize_grads=True
    )
    curved = [i for i, g in enumerate(first) if g.requires_grad]  # the others are constant: no curvature

    def times(v: Vectors) -> Vectors:
        found = torch.autograd.grad(
            [first[i] for i in curved], at, [v[i] for i in curved], retain_graph=True, allow_unused=True
        )
        return [torch.zeros_like(t) if h is None else h for t, h in zip(at, found, strict=True)]

    return times


def _dot(a: Vectors, b: Vectors) -> Tensor:
    """Inner product of each task (T,)."""
    return torch.stack([(x * y).flatten(1).sum(1) for x, y in zip(a, b, strict=True)]).sum(0)


def _add(a: Vectors, factor: Tensor, b: Vectors) -> Vectors:
    """a + factor * b with one factor per task."""
    return [x + factor.view(-1, *[1] * (x.ndim - 1)) * y for x, y in zip(a, b, strict=True)]
