"""Relaxations: from architecture logits to the weights with which candidates are mixed.

A relaxation is a function of the logits alone. It is applied to the logits (T, L, O) of all tasks at once,
before the network is batched over tasks. So it can draw one sample per task, and it knows which candidates
have weight exactly 0 in every task; the network skips those (`Mixture.active`). `softmax` and `sparsemax` are
settings of the space (`--set space.relaxation=sparsemax`). `pruned` and `gumbel` have a temperature: methods
build them anew for each step, with the temperature of `annealed`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from metanas.base.errors import InvalidValue
from metanas.data.episode import TaskSpec, moved
from metanas.params import Tensors, own_arch
from metanas.space.architecture import Architecture
from metanas.space.space import RelaxationName, SearchSpace

LARGE = 1024.0  # logits beyond which sparsemax shifts a row before it sums
Rows = tuple[tuple[bool, ...], ...]


@dataclass(frozen=True)
class Mixture:
    """Mixture weights of all candidates, and which candidates must be computed.

    weights: by group, in the shape of the logits. active: by group, one row of flags per mixture, without the
    task dimension; all candidates of a missing group are active.
    """

    weights: Tensors
    active: Mapping[str, Rows]

    def of(self, weights: Tensors) -> "Mixture":
        """The same active candidates with other weights, for example those of one task."""
        return Mixture(weights, self.active)

    def to(self, device: torch.device) -> "Mixture":
        """The same mixture on a device; itself if it is there."""
        if all(t.device == device for t in self.weights.values()):
            return self
        return self.of({name: moved(t, device) for name, t in self.weights.items()})

    def row(self, group: str, index: int) -> tuple[bool, ...] | None:
        """The flags of mixture `index` in a group: which candidates are active; None: all."""
        rows = self.active.get(group)
        return None if rows is None else rows[index]


Relaxation = Callable[[Mapping[str, Tensor]], Mixture]


def softmax(logits: Mapping[str, Tensor]) -> Mixture:
    """The softmax of the logits; all candidates are active (DARTS, Liu et al., 2019, eq. 2)."""
    return Mixture({name: t.softmax(-1) for name, t in logits.items()}, {})


def sparsemax(logits: Mapping[str, Tensor]) -> Mixture:
    """The Euclidean projection of the logits onto the simplex; weak candidates get weight 0.

    Martins and Astudillo, 2016, "From softmax to sparsemax", algorithm 1.
    """
    return _sparse({name: _project(t) for name, t in logits.items()})


def pruned(temperature: float, threshold: float) -> Relaxation:
    """Softmax with a temperature; weights below the threshold become 0 (Elsken et al., 2020, sec. 3.2).

    With a temperature that falls towards 0 over the steps (`annealed`), a mixture becomes one candidate while
    the network's weights adapt, so the derived network needs no further training. As in the paper's code,
    weights are not renormalised afterwards. The strongest candidate always keeps its weight.
    InvalidValue unless temperature > 0 and 0 <= threshold < 1.
    """
    _positive("temperature", temperature)
    if not 0 <= threshold < 1:
        raise InvalidValue(f"threshold must lie in [0, 1), got {threshold}")

    def relax(logits: Mapping[str, Tensor]) -> Mixture:
        pruned_weights = {}
        for name, t in logits.items():
            weights = (t / temperature).softmax(-1)
            keep = (weights >= threshold) | (weights == weights.amax(-1, keepdim=True))
            pruned_weights[name] = weights * keep
        return _sparse(pruned_weights)

    return relax


def gumbel(temperature: float, generator: torch.Generator, *, alike: bool = False) -> Relaxation:
    """One candidate per mixture, sampled from the softmax (GDAS, Dong and Yang, 2019, eq. 3-4).

    Forward: the argmax of logits plus Gumbel noise, with weight exactly 1. Backward: the gradient of the
    softmax of the same sum at this temperature (straight-through). Candidates that no task sampled are not
    computed and pass no gradient back, as in the authors' code; this makes GDAS cheap.
    alike: all tasks (the first dimension) share the noise, so a task's sample does not depend on the other
    tasks in the batch. InvalidValue unless temperature > 0.
    """
    _positive("temperature", temperature)

    def relax(logits: Mapping[str, Tensor]) -> Mixture:
        samples = {}
        for name, t in logits.items():
            shape = t.shape[1:] if alike else t.shape
            noise = torch.empty(shape, dtype=t.dtype).exponential_(generator=generator)
            noise = -noise.clamp_min(torch.finfo(t.dtype).tiny).log()  # of a drawn 0
            soft = ((t + moved(noise, t.device)) / temperature).softmax(-1)
            hard = torch.zeros_like(soft).scatter(-1, soft.argmax(-1, keepdim=True), 1.0)
            samples[name] = hard + (soft * hard - (soft * hard).detach())
        return _sparse(samples)

    return relax


def one_hot(space: SearchSpace, architecture: Architecture) -> Mixture:
    """The mixture with weight 1 on one architecture of the space; only its candidates are computed."""
    weights = {
        "node": torch.zeros(space.layers * space.edges, len(space.ops)),
        "activation": torch.zeros(space.layers, len(space.activations)),
        "depth": torch.zeros(len(space.exits)),
    }
    for index, layer in enumerate(architecture.layers):
        weights["activation"][index, space.activations.index(layer.activation)] = 1
        row = index * space.edges
        for sources, edges in zip(space.sources, layer.graph, strict=True):
            for edge in edges:
                weights["node"][row + sources.index(edge.source), space.ops.index(edge.op)] = 1
            row += len(sources)
    weights["depth"][space.exits.index(len(architecture.layers) - 1)] = 1
    return _sparse(weights)


def single_path(space: SearchSpace, architecture: Architecture, mixture: Mixture) -> Mixture:
    """Weight 1 on one architecture; with sampling=posterior the mixture's weights get its gradient.

    That gradient is straight-through, of the chosen candidates' log-weights (GDAS, Dong and Yang, 2019).
    """
    path = one_hot(space, architecture)
    if space.sampling != "posterior":
        return path
    weights = {
        name: moved(t, p.device).to(p.dtype) * (p / p.detach().clamp_min(1e-30))
        for name, t in path.weights.items()
        for p in [mixture.weights[name]]
    }
    return Mixture(weights, path.active)


Schedule = Literal["linear", "geometric"]


def annealed(start: float, end: float, step: int, steps: int, schedule: Schedule) -> float:
    """The temperature at `step` of 0..steps - 1: from `start` at step 0 to `end` at the last step.

    InvalidValue unless both are positive.
    """
    _positive("start", start)
    _positive("end", end)
    fraction = step / max(steps - 1, 1)
    if schedule == "linear":
        return start + (end - start) * fraction
    return float(start * (end / start) ** fraction)


RELAXATIONS: Mapping[RelaxationName, Relaxation] = {"softmax": softmax, "sparsemax": sparsemax}


def space_relaxation(space: SearchSpace) -> Relaxation:
    """The relaxation that the setting `space.relaxation` names."""
    return RELAXATIONS[space.relaxation]


def relaxed(space: SearchSpace, arch: Mapping[str, Tensor], spec: TaskSpec) -> Mixture:
    """The mixture for tasks of `spec`: the space's relaxation of the shared and its own logits."""
    return space_relaxation(space)(own_arch(arch, space.level(spec)))


def as_softmax(space: SearchSpace, logits: Tensors, spec: TaskSpec) -> Tensors:
    """Logits whose softmax equals the mixture for tasks of `spec`; detached unless it is softmax already."""
    logits = own_arch(logits, space.level(spec))
    if space.relaxation == "softmax":
        return logits
    return {
        name: t.detach().clamp_min(1e-30).log() for name, t in space_relaxation(space)(logits).weights.items()
    }


def _sparse(weights: Tensors) -> Mixture:
    """A mixture in which candidates with weight exactly 0 in every task are inactive."""
    active = {}
    for name, t in weights.items():
        shape = t.shape[-2:] if name != "depth" else (1, t.shape[-1])  # depth is one mixture
        nonzero = (t.detach() != 0).reshape(-1, *shape).any(0)
        active[name] = tuple(tuple(row) for row in nonzero.tolist())
    return Mixture(weights, active)


def _project(t: Tensor) -> Tensor:
    """The projection of each row of t (..., O) onto the probability simplex.

    It does not change if a row is shifted; large rows are, for beyond 2^24 adding 1 is lost in float32.
    """
    largest = t.detach().amax(-1, keepdim=True)
    shift = torch.where(largest.abs() > LARGE, largest, 0.0)
    ordered = (t - shift).sort(-1, descending=True).values
    total = _running_sum(ordered)
    count = torch.arange(1, t.shape[-1] + 1, dtype=t.dtype, device=t.device)
    support = (1 + count * ordered > total).sum(-1, keepdim=True).clamp_min(1)  # 0 of NaN
    threshold = (total.gather(-1, support - 1) - 1) / support
    return (t - shift - threshold).clamp_min(0)


def _running_sum(t: Tensor) -> Tensor:
    """Sums of t (..., O) up to each position; with deterministic gradients, which cumsum lacks on CUDA."""
    if t.device.type == "cpu":
        return t.cumsum(-1)
    return t @ torch.ones(t.shape[-1], t.shape[-1], dtype=t.dtype, device=t.device).triu()


def _positive(name: str, value: float) -> None:
    if value <= 0:
        raise InvalidValue(f"{name} must be positive, got {value}")
