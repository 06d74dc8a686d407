"""From mixtures to single choices: logits that stand for one discrete architecture per task.

Used where a search ends (DARTS derives, T-NAS decodes) or never began (a random architecture). The logits
are 0 for what is chosen and `OUT` for the rest, so that a softmax of them is exactly one-hot and `single`
computes nothing but the chosen candidates.
"""

import torch
from torch import Tensor

from metanas.params import Tensors
from metanas.search.relax import Mixture, one_hot, pruned
from metanas.supernet.architecture import Architecture
from metanas.supernet.space import SearchSpace

OUT = -1e4
single = pruned(temperature=1.0, threshold=0.5)  # the relaxation for hard logits


def harden(space: SearchSpace, logits: Tensors) -> Tensors:
    """The strongest candidate of every mixture; `none` is never chosen (Liu et al., 2019, sec. 2.4)."""
    return {name: _hard(_without_none(space, t) if name == "node" else t) for name, t in logits.items()}


def logits_of(space: SearchSpace, architecture: Architecture) -> Tensors:
    """Hard logits of one architecture of the space."""
    mixture: Mixture = one_hot(space, architecture)
    return {name: torch.where(t > 0, 0.0, OUT) for name, t in mixture.weights.items()}


def _hard(t: Tensor) -> Tensor:
    return torch.full_like(t, OUT).scatter(-1, t.argmax(-1, keepdim=True), 0.0)


def _without_none(space: SearchSpace, t: Tensor) -> Tensor:
    barred = torch.tensor([op == "none" and len(space.ops) > 1 for op in space.ops], device=t.device)
    return t.masked_fill(barred, float("-inf"))
