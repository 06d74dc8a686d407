"""Inner learning rates that the outer loop learns: per element, per tensor and step, or per node candidate.

Meta-SGD (Li et al., 2017) has one rate per element; MAML++ (Antoniou et al., 2019, "LSLR") one per tensor
and step; the supernet's `eta` one per node candidate, the exp of what is learned, so that it stays positive.
Rates are meta-parameters: named tensors in the state under rates/, differentiated like weights.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from metanas.base.errors import InvalidValue
from metanas.meta.optimizers import FunctionalOptimizer, sgd
from metanas.params import Params, Tensors, group_of, named_tensors

Kind = Literal["element", "tensor", "node"]
NODE = re.compile(r"weights/nodes\.\d+\.candidates\.[^.]+")


def owner(name: str, kind: Kind) -> str:
    """The name of a tensor's rate. By `node`, all of a candidate share one, and so do the rest of a group."""
    if kind != "node":
        return name
    candidate = NODE.match(name)
    return candidate[0] if candidate else group_of(name)


def start(params: Params, kind: Kind, steps: int, first: Callable[[str, torch.Size], Tensor]) -> Tensors:
    """Rates before meta-training: by element in the tensor's shape, by tensor (steps,), by node ().

    first(name, shape) makes the rate of a tensor; one that is shared is made by its first tensor.
    """
    rates: Tensors = {}
    for name, t in named_tensors(params).items():
        shape = {"element": t.shape, "tensor": torch.Size([steps]), "node": torch.Size([])}[kind]
        rates.setdefault(owner(name, kind), first(name, shape))
    return rates


def constant(weights: float, arch: float) -> Callable[[str, torch.Size], Tensor]:
    """`first` of `start` with the same rate for all of a group."""
    rate = {"weights": weights, "arch": arch}
    return lambda name, shape: torch.full(shape, rate[group_of(name)])


def start_nodes(params: Params, steps: int, weights: float, arch: float) -> Tensors:
    """Logs of the rates per node candidate before meta-training: those of their group.

    InvalidValue for a rate of 0, which has no log.
    """
    if bad := [rate for rate in (weights, arch) if not rate > 0]:
        raise InvalidValue(f"learned rates are logs and must start above 0, got {bad[0]:g}")
    rates = start(params, "node", steps, constant(weights, arch))
    return {name: rate.log() for name, rate in rates.items()}


@dataclass(frozen=True)
class LearnedRates:
    """A `StepPolicy`: SGD by learned rates. adapts: whether a tensor moves, by its full name."""

    rates: Tensors
    kind: Kind
    adapts: Callable[[str], bool] = lambda name: True

    def for_step(self, params: Params, step: int) -> list[FunctionalOptimizer | None]:
        """SGD at each tensor's rate of that step; None where it does not adapt."""
        return [sgd(self._rate(name, step)) if self.adapts(name) else None for name in named_tensors(params)]

    def _rate(self, name: str, step: int) -> Tensor:
        rate = self.rates[owner(name, self.kind)]
        if self.kind == "tensor":  # steps beyond those that were trained go on at the last rate
            return rate[min(step, len(rate) - 1)]
        return rate.exp() if self.kind == "node" else rate
