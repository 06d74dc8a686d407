"""Relaxations: from architecture logits to the weights with which candidates are mixed.

A relaxation is a function of the logits alone, applied to all tasks' logits (T, L, O) at once, before the
network is batched over tasks. So it can draw one sample per task, and can see which candidates have weight
exactly 0 in every task: the network does not compute those (`Mixture.active`). Those without a temperature
are settings of the space (`--set space.relaxation=sparsemax`, `usual`). What changes over a search is a
function of the step, see `annealed`; such a relaxation is made anew for every step by the method that has it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from metanas.params import Tensors
from metanas.supernet.architecture import Architecture
from metanas.supernet.space import RelaxationName, SearchSpace

Rows = tuple[tuple[bool, ...], ...]


@dataclass(frozen=True)
class Mixture:
    """weights: of every candidate, shaped as the logits. active: which candidates are to be computed.

    active has one row per mixture, without the task dimension; a group that is missing is active as a whole.
    """

    weights: Tensors
    active: Mapping[str, Rows]

    def of(self, weights: Tensors) -> "Mixture":
        """The same with other weights (one task's, inside a batch over tasks)."""
        return Mixture(weights, self.active)

    def row(self, group: str, index: int) -> tuple[bool, ...] | None:
        """Which candidates of a mixture are active; None: all."""
        rows = self.active.get(group)
        return None if rows is None else rows[index]


Relaxation = Callable[[Mapping[str, Tensor]], Mixture]


def softmax(logits: Mapping[str, Tensor]) -> Mixture:
    """All candidates, weighted by the softmax of their logits (DARTS, Liu et al., 2019, eq. 2)."""
    return Mixture({name: t.softmax(-1) for name, t in logits.items()}, {})


def sparsemax(logits: Mapping[str, Tensor]) -> Mixture:
    """The Euclidean projection of the logits onto the simplex: weak candidates get exactly 0.

    Martins and Astudillo, 2016, "From softmax to sparsemax", algorithm 1.
    """
    return _sparse({name: _project(t) for name, t in logits.items()})


def pruned(temperature: float, threshold: float) -> Relaxation:
    """Softmax at a temperature, and candidates under the threshold dropped (Elsken et al., 2020, sec. 3.2).

    With a temperature that falls to 0 over the steps (`annealed`) a mixture hardens into one candidate while
    its weights adapt, so that the derived network needs no training of its own. Weights are not made to sum
    to 1 again after dropping, as in the paper's code. The strongest candidate is never dropped.
    """
    _positive("temperature", temperature)
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold must lie in [0, 1), got {threshold}")

    def relax(logits: Mapping[str, Tensor]) -> Mixture:
        found = {}
        for name, t in logits.items():
            weights = (t / temperature).softmax(-1)
            keep = (weights >= threshold) | (weights == weights.amax(-1, keepdim=True))
            found[name] = weights * keep
        return _sparse(found)

    return relax


def gumbel(temperature: float, generator: torch.Generator, *, alike: bool = False) -> Relaxation:
    """One candidate per mixture, drawn with the softmax's probabilities (GDAS, Dong and Yang, 2019, eq. 3-4).

    Forward: the argmax of logits plus Gumbel noise, weight exactly 1. Backward: the gradient of the softmax
    of the same at this temperature (straight through). Candidates that no task drew are not computed, so they
    pass no gradient back: this is what makes GDAS cheap, as in its authors' code. alike: all tasks (the first
    dimension) get the same noise, so that what a task draws does not depend on the tasks beside it.
    """
    _positive("temperature", temperature)

    def relax(logits: Mapping[str, Tensor]) -> Mixture:
        found = {}
        for name, t in logits.items():
            shape = t.shape[1:] if alike else t.shape
            noise = -torch.empty(shape, dtype=t.dtype).exponential_(generator=generator).log()
            soft = ((t + noise.to(t.device)) / temperature).softmax(-1)
            hard = torch.zeros_like(soft).scatter(-1, soft.argmax(-1, keepdim=True), 1.0)
            found[name] = hard + (soft * hard - (soft * hard).detach())
        return _sparse(found)

    return relax


def one_hot(space: SearchSpace, architecture: Architecture) -> Mixture:
    """The mixture that is one architecture of the space; nothing else is computed."""
    weights = {
        "node": torch.zeros(space.layers * space.edges, len(space.ops)),
        "activation": torch.zeros(space.layers, len(space.activations)),
        "depth": torch.zeros(len(space.exits)),
    }
    for layer, chosen in enumerate(architecture.layers):
        weights["activation"][layer, space.activations.index(chosen.activation)] = 1
        edge = layer * space.edges
        for sources, edges in zip(space.sources, chosen.graph, strict=True):
            for kept in edges:
                weights["node"][edge + sources.index(kept.source), space.ops.index(kept.op)] = 1
            edge += len(sources)
    weights["depth"][space.exits.index(len(architecture.layers) - 1)] = 1
    return _sparse(weights)


Schedule = Literal["linear", "geometric"]


def annealed(start: float, end: float, step: int, steps: int, schedule: Schedule) -> float:
    """A temperature's schedule: from `start` at step 0 to `end` at the last step."""
    _positive("start", start)
    _positive("end", end)
    share = step / max(steps - 1, 1)
    if schedule == "linear":
        return start + (end - start) * share
    return float(start * (end / start) ** share)


RELAXATIONS: Mapping[RelaxationName, Relaxation] = {"softmax": softmax, "sparsemax": sparsemax}


def usual(space: SearchSpace) -> Relaxation:
    """The relaxation that the space is set to."""
    return RELAXATIONS[space.relaxation]


def as_softmax(space: SearchSpace, logits: Tensors) -> Tensors:
    """Logits whose softmax is the space's mixture: what an evaluation keeps of adapted choices."""
    if space.relaxation == "softmax":
        return logits
    return {name: t.detach().clamp_min(1e-30).log() for name, t in usual(space)(logits).weights.items()}


def _sparse(weights: Tensors) -> Mixture:
    """A mixture whose candidates with weight exactly 0 in every task are not computed."""
    active = {}
    for name, t in weights.items():
        shape = t.shape[-2:] if name != "depth" else (1, t.shape[-1])  # depth is one mixture
        used = (t.detach() != 0).reshape(-1, *shape).any(0)
        active[name] = tuple(tuple(row) for row in used.tolist())
    return Mixture(weights, active)


def _project(t: Tensor) -> Tensor:
    ordered = t.sort(-1, descending=True).values
    total = ordered.cumsum(-1)
    count = torch.arange(1, t.shape[-1] + 1, dtype=t.dtype, device=t.device)
    support = (1 + count * ordered > total).sum(-1, keepdim=True)
    threshold = (total.gather(-1, support - 1) - 1) / support
    return (t - threshold).clamp_min(0)


def _positive(name: str, value: float) -> None:
    if value <= 0:
        raise ValueError(f"{name} must be positive, got {value}")
