"""Reptile's meta-update: move the initialisation towards the adapted parameters.

Nichol et al., 2018, "On first-order meta-learning algorithms", algorithm 2:
theta += eps * mean_i(theta_i - theta), on weights and architecture alike, as in MetaNAS
(Elsken et al., 2020, eq. 7). Reptile has no query set in training: all labelled examples are dealt out to
the inner steps. That the steps see *different* examples is what makes the update learn to generalise (the
paper's sec. 5.1, the term AvgGradInner); on one repeated batch it learns to memorise.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from metanas.data.episode import Batch, Episodes
from metanas.meta.inner import Memory, StepPolicy, adapt
from metanas.params import Loss, Params, Tensors, expand_tasks, named_tensors, tensors


def displacement(
    loss: Loss | Sequence[Loss],
    params: Params,
    episodes: Episodes,
    *,
    policy: StepPolicy,
    steps: int,
    turns: int = 1,
    memory: Memory | None = None,
) -> tuple[Tensors, Tensor]:
    """Mean over T tasks of (adapted - start) by full name, and the loss after adaptation.

    params: without T. steps: the parts that the examples are dealt out to. turns: gradient steps on each
    part. loss: one for all steps or one per step. memory: as in `trajectory`, changed in place.
    """
    everything = support_and_query(episodes)
    start = expand_tasks(params, everything.y.shape[0])
    parts = [Batch(everything.x[:, i::steps], everything.y[:, i::steps]) for i in range(steps)]
    parts = [part for part in parts for _ in range(turns)]
    adapted = adapt(loss, start, parts, policy=policy, order=0, memory=memory)
    pairs = zip(named_tensors(adapted).items(), tensors(params), strict=True)
    change = {name: (a - x).mean(0) for (name, a), x in pairs}
    with torch.no_grad():
        after = (loss[-1] if isinstance(loss, Sequence) else loss)(adapted, everything).mean()
    return change, after


def mean_of_movers(moves: Sequence[Tensors]) -> Tensors:
    """Mean of the domains' displacements, for each tensor over the domains that moved it; 0 if none did."""
    means = {}
    for name in moves[0]:
        stacked = torch.stack([change[name] for change in moves])
        movers = stacked.reshape(len(moves), -1).any(1).sum().clamp_min(1)
        means[name] = stacked.sum(0) / movers
    return means


def support_and_query(episodes: Episodes) -> Batch:
    """All labelled examples of T meta-training tasks as one batch, support first."""
    support, query = episodes.support, episodes.query
    return Batch(torch.cat([support.x, query.x], 1), torch.cat([support.y, query.y], 1))
