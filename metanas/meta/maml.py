"""MAML's meta-gradient: how the query loss after adaptation depends on where adaptation began.

Finn et al., 2017, "Model-agnostic meta-learning", algorithm 1; here over weights and architecture alike,
as in T-NAS (Lian et al., 2020). First order drops the second derivatives (sec. 5.2).
"""

import torch
from torch import Tensor

from metanas.episode import Episodes
from metanas.meta.inner import Loss, Rules, adapt
from metanas.params import Params, detach, stack, tensors


def meta_gradient(
    loss: Loss, params: Params, episodes: Episodes, *, rules: Rules, steps: int, second_order: bool
) -> tuple[list[Tensor], float]:
    """Gradient of the mean query loss of T tasks, in the order of `tensors`, and that loss."""
    params = detach(params)
    tasks = episodes.support.y.shape[0]
    start = stack(params, tasks)
    adapted = adapt(loss, start, [episodes.support] * steps, rules=rules, create_graph=second_order)
    if second_order:
        at = tensors(params)
    else:
        adapted = detach(adapted)
        at = tensors(adapted)
    total = loss(adapted, episodes.query).mean()
    found = torch.autograd.grad(total, at, allow_unused=True)
    gradients = [torch.zeros_like(x) if g is None else g for x, g in zip(at, found, strict=True)]
    if not second_order:
        gradients = [g.sum(0) for g in gradients]
    return gradients, float(total.detach())
