"""The penalty that a search space adds to every task's loss: its strategy's prior and its cost budgets.

The prior of a choice group is the softmax of its initial logits (`SearchSpace.prior`). Its penalty is `kl`
times KL(mixture || prior), summed over the group's mixtures, as in variational inference. A strategy without
`kl` has no penalty: its prior is only where the search starts. Budgets: `cost.py`. Added by `meta/loss.py`.
"""

import torch
from torch import Tensor

from metanas.data.episode import TaskSpec, moved
from metanas.models.relaxation import Mixture
from metanas.search import cost
from metanas.space.space import SearchSpace


def penalises(space: SearchSpace) -> bool:
    """Whether `penalty` has anything to add."""
    limits = (space.cost.macs, space.cost.parameters, space.cost.milliseconds)
    return any(limits) or any(getattr(space.plan, name).kl for name in space.prior())


def penalty(space: SearchSpace, mixture: Mixture, spec: TaskSpec) -> Tensor | None:
    """() for one task's mixture, (T,) for those of T tasks; None where there is neither a kl nor a budget."""
    excess = cost.penalty(space, mixture, spec, space.cost)
    penalties = [] if excess is None else [excess]
    for name, logits in space.prior().items():
        kl = getattr(space.plan, name).kl
        if not kl:
            continue
        weights = mixture.weights[name]
        log_prior = moved(torch.tensor(logits, dtype=weights.dtype), weights.device).log_softmax(-1)
        logs = weights.clamp_min(torch.finfo(weights.dtype).tiny)  # 0 log 0 = 0, with a finite derivative
        divergence = torch.xlogy(weights, logs) - weights * log_prior
        penalties.append(kl * divergence.sum(-1 if name == "depth" else (-2, -1)))
    return torch.stack(penalties).sum(0) if penalties else None
