"""Expected cost of a mixture of architectures, differentiable in its weights, and the penalty of a budget.

The weights of a mixture are read as probabilities: layer l is used with the probability that the exit is at
l or later, and its candidate k with probability node[l]_k. Costs add up, so their expectation is a polynomial
of the weights; for a one-hot mixture it is the cost of that architecture (`models.macs.macs`). `prior.py`
adds `penalty` to the loss of every task: `--set cost.macs=1e6` (as in ProxylessNAS, Cai et al., 2019,
eq. 6-7, but zero below the budget).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from metanas.data.episode import TaskSpec
from metanas.models.macs import op_macs, op_parameters
from metanas.models.relaxation import Mixture
from metanas.search.latency import Latencies
from metanas.space.cost_budget import Cost
from metanas.space.sizes import Size, exit_macs, exit_parameters, halved, head_macs, stem_macs
from metanas.space.space import SearchSpace


def expected_macs(space: SearchSpace, mixture: Mixture, spec: TaskSpec) -> Tensor:
    """Expected multiply-accumulates of one example: () for one mixture, (T,) for those of T tasks."""
    c = space.channels
    fixed, size = stem_macs(spec, space)
    return (
        fixed
        + head_macs(spec, c)
        + _expected(
            space,
            mixture,
            size,
            op=lambda name, shape: op_macs(name, c // space.partial, *shape),
            layer=0,
            exit_=lambda shape: exit_macs(spec, c, shape),
        )
    )


def expected_parameters(space: SearchSpace, mixture: Mixture, spec: TaskSpec) -> Tensor:
    """Expected number of parameters of layers, norms and exit: () or (T,)."""
    c = space.channels
    return _expected(
        space,
        mixture,
        stem_macs(spec, space)[1],
        op=lambda name, shape: op_parameters(name, c // space.partial),
        layer=2 * c * len(space.sources),
        exit_=lambda shape: exit_parameters(c),
    )


def expected_milliseconds(
    space: SearchSpace, mixture: Mixture, spec: TaskSpec, latencies: Latencies
) -> Tensor:
    """Expected milliseconds of the layers' operations on one example, run in sequence: () or (T,)."""
    c = space.channels
    return _expected(
        space,
        mixture,
        stem_macs(spec, space)[1],
        op=lambda name, shape: latencies(name, c // space.partial, *shape),
        layer=0,
        exit_=lambda shape: 0,
    )


def penalty(space: SearchSpace, mixture: Mixture, spec: TaskSpec, cost: Cost) -> Tensor | None:
    """`cost.weight` times the sum of the relative excesses over the budgets, () or (T,); None without one."""
    ratios = []
    if cost.macs:
        ratios.append(expected_macs(space, mixture, spec) / cost.macs)
    if cost.parameters:
        ratios.append(expected_parameters(space, mixture, spec) / cost.parameters)
    if cost.milliseconds:
        latencies = Latencies.of_this_machine()
        ratios.append(expected_milliseconds(space, mixture, spec, latencies) / cost.milliseconds)
    excesses = [(ratio - 1).clamp_min(0) for ratio in ratios]
    return cost.weight * torch.stack(excesses).sum(0) if excesses else None


def _expected(
    space: SearchSpace,
    mixture: Mixture,
    size: Size,
    *,
    op: Callable[[str, Size], float],
    layer: float,
    exit_: Callable[[Size], float],
) -> Tensor:
    """Sum over layers of P(layer is used) (layer + sum over edges and candidates) + P(exit) exit."""
    node, depth = mixture.weights["node"], mixture.weights["depth"]
    total = torch.zeros(depth.shape[:-1], dtype=depth.dtype, device=depth.device)
    for i in range(space.layers):
        later = [x for x, exit_layer in enumerate(space.exits) if exit_layer >= i]
        if not later:
            break
        op_costs = node.new_tensor([op(name, size) for name in space.ops])
        edges = node[..., i * space.edges : (i + 1) * space.edges, :]
        total = total + depth[..., later].sum(-1) * (layer + (edges * op_costs).sum((-1, -2)))
        if i in space.reductions:
            size = halved(size)
        if i in space.exits:
            total = total + depth[..., space.exits.index(i)] * exit_(size)
    return total
