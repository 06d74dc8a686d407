"""Reptile's meta-update: move to where adaptation goes.

Nichol et al., 2018, "On first-order meta-learning algorithms", algorithm 2:
theta += eps * mean_i(theta_i - theta), on weights and architecture alike, as in MetaNAS
(Elsken et al., 2020, eq. 7). Reptile has no query set in training: it adapts on all labelled examples.
"""

import torch
from torch import Tensor

from metanas.episode import Batch, Episodes
from metanas.meta.inner import Loss, Rules, adapt
from metanas.params import Params, stack, tensors


def displacement(
    loss: Loss, params: Params, episodes: Episodes, *, rules: Rules, steps: int
) -> tuple[list[Tensor], float]:
    """Mean over T tasks of (adapted - start), in the order of `tensors`, and the loss after adaptation."""
    support, query = episodes.support, episodes.query
    everything = Batch(torch.cat([support.x, query.x], 1), torch.cat([support.y, query.y], 1))
    start = stack(params, support.y.shape[0])
    adapted = adapt(loss, start, everything, rules=rules, steps=steps, create_graph=False)
    moved = [(a - x).mean(0) for a, x in zip(tensors(adapted), tensors(params), strict=True)]
    with torch.no_grad():
        after = float(loss(adapted, everything).mean())
    return moved, after
