"""MAML's meta-gradient: of the query loss after adaptation, for the parameters that adaptation starts from.

Finn et al., 2017, "Model-agnostic meta-learning", algorithm 1; here over weights and architecture alike,
as in T-NAS (Lian et al., 2020), and over learned inner rates where there are any (`rates.py`). First
order takes the inner gradients for constants (sec. 5.2). `outer.py` takes the step.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from metanas.data.episode import Episodes
from metanas.meta.inner import Order, StepPolicy, trajectory
from metanas.meta.recompute import recomputed_trajectory
from metanas.params import Loss, Params, Tensors, expand_tasks, named_tensors


def meta_gradient(
    loss: Loss,
    params: Params,
    episodes: Episodes,
    *,
    policy: StepPolicy,
    order: Order,
    steps: Sequence[float],
    rates: Tensors | None = None,
    again: Callable[[Tensors], StepPolicy] | None = None,
) -> tuple[Tensors, Tensor]:
    """Gradient of the mean query loss of T tasks by full name (weights/, arch/, rates/), and that loss.

    steps: the weight of the query loss after each inner step. MAML has the last step alone, (0, ..., 0, 1);
    MAML++ all of them (Antoniou et al., 2019, eq. 4). params (without T) and rates must be leaves that
    require gradients. again: from rates to the policy; if given, steps of order 2 are recomputed in the
    backward pass to save memory (`recompute.py`).
    """
    leaves = named_tensors(params) | {f"rates/{name}": t for name, t in (rates or {}).items()}
    start = expand_tasks(params, episodes.support.y.shape[0])
    total = torch.zeros(())
    batches = [episodes.support] * len(steps)
    if again is not None and order == 2:
        path = recomputed_trajectory(loss, start, batches, policy=again, rates=rates or {})
    else:
        path = trajectory(loss, start, batches, policy=policy, order=order)
    for weight, adapted in zip(steps, path, strict=True):
        if weight:
            total = total + weight * loss(adapted, episodes.query).mean()
    partials = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
    gradients = {
        name: torch.zeros_like(t) if g is None else g
        for (name, t), g in zip(leaves.items(), partials, strict=True)
    }
    return gradients, total.detach()


def final_step_weights(steps: int) -> list[float]:
    """MAML's `steps` for `meta_gradient`: only the loss after the last of `steps` inner steps counts."""
    return [0.0] * (steps - 1) + [1.0]
