"""MAML's meta-gradient: how the query loss after adaptation depends on where adaptation began.

Finn et al., 2017, "Model-agnostic meta-learning", algorithm 1; here over weights and architecture alike,
as in T-NAS (Lian et al., 2020), and over learned inner rates where there are any (`rates.py`). First
order takes the inner gradients for constants (sec. 5.2).
"""

from collections.abc import Callable, Sequence

import torch

from metanas.episode import Episodes
from metanas.meta.inner import Loss, Order, Stepper, trajectory
from metanas.meta.recompute import recomputed_trajectory
from metanas.params import Params, Tensors, named, stack


def meta_gradient(
    loss: Loss,
    params: Params,
    episodes: Episodes,
    *,
    rules: Stepper,
    order: Order,
    steps: Sequence[float],
    rates: Tensors | None = None,
    again: Callable[[Tensors], Stepper] | None = None,
) -> tuple[Tensors, float]:
    """Gradient of the mean query loss of T tasks by name, as in `params.named`, and that loss.

    steps: the weight of the query loss after each inner step. MAML looks at the last step, (0, ..., 0, 1);
    MAML++ at all of them (Antoniou et al., 2019, eq. 4). params and rates must be leaves that want gradients.
    again: how rules come from rates; given, steps of order 2 are recomputed to save memory (`recompute.py`).
    """
    at = named(params) | {f"rates/{name}": t for name, t in (rates or {}).items()}
    start = stack(params, episodes.support.y.shape[0])
    total = torch.zeros(())
    batches = [episodes.support] * len(steps)
    if again is not None and order == 2:
        way = recomputed_trajectory(loss, start, batches, rules=again, rates=rates or {})
    else:
        way = trajectory(loss, start, batches, rules=rules, order=order)
    for weight, adapted in zip(steps, way, strict=True):
        if weight:
            total = total + weight * loss(adapted, episodes.query).mean()
    found = torch.autograd.grad(total, list(at.values()), allow_unused=True)
    gradients = {
        name: torch.zeros_like(t) if g is None else g for (name, t), g in zip(at.items(), found, strict=True)
    }
    return gradients, float(total.detach())


def last(steps: int) -> list[float]:
    """MAML's weights: the loss after the last of `steps` steps."""
    return [0.0] * (steps - 1) + [1.0]
