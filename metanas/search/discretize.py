"""Discretization: from a mixture to hard architecture logits, which stand for one architecture per task.

Used where a search ends (DARTS derives, T-NAS decodes) and where there was none (a random architecture).
Hard logits are 0 for the chosen candidates and `OUT` for the rest, so that their softmax is exactly one-hot
and under `single` the network computes the chosen candidates only.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from metanas.data.episode import TaskSpec, moved
from metanas.models.relaxation import Mixture, Relaxation, one_hot, pruned
from metanas.params import Tensors, own_arch
from metanas.space.architecture import Architecture
from metanas.space.decoding import OUT
from metanas.space.space import SearchSpace

single = pruned(temperature=1.0, threshold=0.5)  # the relaxation for hard logits


def single_of(space: SearchSpace, architecture: Architecture) -> Relaxation:
    """`single` for the hard logits of one architecture, of all tasks: it reads nothing from a device."""
    active = one_hot(space, architecture).active

    def relax(logits: Mapping[str, Tensor]) -> Mixture:
        return Mixture({name: t.softmax(-1) for name, t in logits.items()}, active)

    return relax


def discretize(space: SearchSpace, logits: Tensors, spec: TaskSpec) -> Tensors:
    """Hard logits of the strongest candidate of every mixture for tasks of `spec`, in the shapes of `logits`.

    `none` is never chosen (Liu et al., 2019, sec. 2.4), unless it is the only operation.
    """
    own = own_arch(logits, space.level(spec))
    return {name: _hard(_without_none(space, t) if name == "node" else t) for name, t in own.items()}


def logits_of(space: SearchSpace, architecture: Architecture, device: torch.device | None = None) -> Tensors:
    """Hard logits of one architecture of the space, shaped as `SuperNet.arch` returns them.

    device: where they are wanted; None: on the CPU.
    """
    mixture, device = one_hot(space, architecture), device or torch.device("cpu")
    return {name: moved(torch.where(t > 0, 0.0, OUT), device) for name, t in mixture.weights.items()}


def _hard(t: Tensor) -> Tensor:
    return torch.full_like(t, OUT).scatter(-1, t.argmax(-1, keepdim=True), 0.0)


def _without_none(space: SearchSpace, t: Tensor) -> Tensor:
    is_none = torch.tensor([op == "none" and len(space.ops) > 1 for op in space.ops])
    return t.masked_fill(moved(is_none, t.device), float("-inf"))
