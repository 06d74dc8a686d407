"""Inner learning rates that the outer loop learns: per element, per layer and step, or per node.

Meta-SGD (Li et al., 2017) has one rate per weight; MAML++ (Antoniou et al., 2019, "LSLR") one per tensor
and step; the supernet's eta one per node candidate, exp of what is learned, so that it stays positive.
Rates are meta-parameters: named tensors in the state under rates/, differentiated like weights.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from metanas.meta.rule import UpdateRule, sgd
from metanas.params import Params, Tensors, named

Kind = Literal["element", "tensor", "node"]
NODE = re.compile(r"weights/nodes\.\d+\.candidates\.[^.]+")


def owner(name: str, kind: Kind) -> str:
    """Whose rate a tensor moves by; all of one node candidate share theirs, as do those of no node."""
    if kind != "node":
        return name
    found = NODE.match(name)
    return found[0] if found else name.partition("/")[0]


def start(params: Params, kind: Kind, steps: int, first: Callable[[str, torch.Size], Tensor]) -> Tensors:
    """Rates before meta-training. first(name, shape) makes one; per tensor there is one for each step."""
    rates: Tensors = {}
    for name, t in named(params).items():
        shape = {"element": t.shape, "tensor": torch.Size([steps]), "node": torch.Size([])}[kind]
        rates.setdefault(owner(name, kind), first(name, shape))
    return rates


def alike(weights: float, arch: float) -> Callable[[str, torch.Size], Tensor]:
    """For `start`: every rate is that of its group."""
    first = {"weights": weights, "arch": arch}
    return lambda name, shape: torch.full(shape, first[name.partition("/")[0]])


def start_nodes(params: Params, steps: int, weights: float, arch: float) -> Tensors:
    """What is learned of the rates per node candidate, which begin at those of their group."""
    return {name: rate.log() for name, rate in start(params, "node", steps, alike(weights, arch)).items()}


@dataclass(frozen=True)
class LearnedRates:
    """SGD by learned rates. adapts: which tensors move, by their names in `params.named`."""

    rates: Tensors
    kind: Kind
    adapts: Callable[[str], bool] = lambda name: True

    def at(self, params: Params, step: int) -> list[UpdateRule | None]:
        return [sgd(self._rate(name, step)) if self.adapts(name) else None for name in named(params)]

    def _rate(self, name: str, step: int) -> Tensor:
        rate = self.rates[owner(name, self.kind)]
        if self.kind == "tensor":  # steps beyond those that were trained go on at the last rate
            return rate[min(step, len(rate) - 1)]
        return rate.exp() if self.kind == "node" else rate
