"""The penalty that holds a search near its strategy's prior.

The prior of a group is the softmax of its initial logits (`SearchSpace.prior`); the penalty is its `kl`
times KL(mixture || prior), summed over the group's mixtures: what a variational search would pay for
leaving it. A strategy without `kl` costs nothing and is only where the search starts.
"""

import torch
from torch import Tensor

from metanas.search.relax import Mixture
from metanas.supernet.space import SearchSpace


def penalty(space: SearchSpace, mixture: Mixture) -> Tensor | None:
    """Of one task's mixture () or of T tasks' (T,); None where the strategy has no kl."""
    parts = []
    for name, logits in space.prior().items():
        kl = getattr(space.plan, name).kl
        if not kl:
            continue
        weights = mixture.weights[name]
        log_prior = torch.tensor(logits, dtype=weights.dtype, device=weights.device).log_softmax(-1)
        gap = torch.xlogy(weights, weights) - weights * log_prior  # 0 log 0 = 0
        parts.append(kl * gap.sum(-1 if name == "depth" else (-2, -1)))
    return torch.stack(parts).sum(0) if parts else None
