"""What a mixture is expected to cost, differentiable in the logits, and the price of exceeding a budget.

With the weights of a mixture read as probabilities, layer l is there with the probability that the exit is
at l or later, and its candidate k with node[l]_k; costs add up, so their expectation is a polynomial of the
weights. Where one architecture has all the weight it is that architecture's cost (`Architecture.macs`).
A method adds `penalty` to the loss of every task: `--set cost.macs=1e6` (as in ProxylessNAS, Cai et al.,
2019, eq. 6-7, but free below the budget).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from metanas.episode import TaskSpec
from metanas.search.latency import Latencies
from metanas.search.relax import Mixture
from metanas.supernet.macs import (
    Size,
    exit_macs,
    exit_parameters,
    halved,
    head_macs,
    op_macs,
    op_parameters,
    stem_macs,
)
from metanas.supernet.space import SearchSpace


@dataclass(frozen=True)
class Cost:
    """Budgets per example, 0 for none, and what it costs to exceed one.

    macs: of the whole network. parameters: of layers and exit. milliseconds: of the layers, by the latencies
    measured on this machine. weight: loss for twice the budget.
    """

    macs: float = 0
    parameters: float = 0
    milliseconds: float = 0
    weight: float = 1.0

    def __post_init__(self) -> None:
        for name in ("macs", "parameters", "milliseconds", "weight"):
            if getattr(self, name) < 0:
                raise ValueError(f"cost.{name} must be 0 (no budget) or positive, got {getattr(self, name)}")


FREE = Cost()


def expected_macs(space: SearchSpace, mixture: Mixture, spec: TaskSpec) -> Tensor:
    """Of one example: () for one mixture, (T,) for T."""
    c = space.channels
    fixed, size = stem_macs(spec, c)
    return (
        fixed
        + head_macs(spec, c)
        + _expected(
            space,
            mixture,
            size,
            op=lambda name, at: op_macs(name, c // space.partial, *at),
            layer=0,
            exit_=lambda at: exit_macs(spec, c, at),
        )
    )


def expected_parameters(space: SearchSpace, mixture: Mixture, spec: TaskSpec) -> Tensor:
    """Of layers, norms and exit: () or (T,)."""
    c = space.channels
    return _expected(
        space,
        mixture,
        stem_macs(spec, c)[1],
        op=lambda name, at: op_parameters(name, c // space.partial),
        layer=2 * c * len(space.sources),
        exit_=lambda at: exit_parameters(c),
    )


def expected_milliseconds(
    space: SearchSpace, mixture: Mixture, spec: TaskSpec, latencies: Latencies
) -> Tensor:
    """Of the layers' operations on one example, one after the other: () or (T,)."""
    c = space.channels
    return _expected(
        space,
        mixture,
        stem_macs(spec, c)[1],
        op=lambda name, at: latencies(name, c // space.partial, *at),
        layer=0,
        exit_=lambda at: 0,
    )


def penalty(space: SearchSpace, mixture: Mixture, spec: TaskSpec, cost: Cost) -> Tensor | None:
    """weight times the relative excess over each budget, () or (T,); None without a budget."""
    expected = []
    if cost.macs:
        expected.append(expected_macs(space, mixture, spec) / cost.macs)
    if cost.parameters:
        expected.append(expected_parameters(space, mixture, spec) / cost.parameters)
    if cost.milliseconds:
        here = Latencies.here()
        expected.append(expected_milliseconds(space, mixture, spec, here) / cost.milliseconds)
    parts = [(share - 1).clamp_min(0) for share in expected]
    return cost.weight * torch.stack(parts).sum(0) if parts else None


def _expected(
    space: SearchSpace,
    mixture: Mixture,
    size: Size,
    *,
    op: Callable[[str, Size], float],
    layer: float,
    exit_: Callable[[Size], float],
) -> Tensor:
    """Sum over layers of P(layer is there) (layer + sum over edges and candidates) + P(exit) exit."""
    node, depth = mixture.weights["node"], mixture.weights["depth"]
    total = torch.zeros(depth.shape[:-1], dtype=depth.dtype, device=depth.device)
    for i in range(space.layers):
        later = [x for x, exit_layer in enumerate(space.exits) if exit_layer >= i]
        if not later:
            break
        prices = node.new_tensor([op(name, size) for name in space.ops])
        edges = node[..., i * space.edges : (i + 1) * space.edges, :]
        total = total + depth[..., later].sum(-1) * (layer + (edges * prices).sum((-1, -2)))
        if i in space.reductions:
            size = halved(size)
        if i in space.exits:
            total = total + depth[..., space.exits.index(i)] * exit_(size)
    return total
