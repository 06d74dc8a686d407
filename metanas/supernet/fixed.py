"""A discrete architecture as a plain network: what a search ends with, and what hand-made chains are.

Parameters have the names they have in a supernet (`nodes.0.candidates.conv3.weight`), so weights are
inherited by name. The network is called like a supernet, `(x, arch, spec)` with an empty `arch`, so every
method runs on it; and it is called like any module, `net(x)`, when it was built for one spec.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor, nn

from metanas.episode import TaskSpec
from metanas.kinds import ACTIVATIONS, OPS
from metanas.networks.network import Head, Network, stem_name
from metanas.params import Params
from metanas.stem import Norm, Stem, halve
from metanas.supernet.architecture import Architecture, parse
from metanas.supernet.network import CELLS, Exit, SuperNet
from metanas.supernet.ops import Mask
from metanas.supernet.space import SearchSpace


class FixedNet(Network):
    """The network of one architecture, with stems and heads for tasks of the given kinds."""

    def __init__(self, architecture: Architecture, specs: Sequence[TaskSpec]) -> None:
        super().__init__()
        channels = architecture.channels
        self.architecture = architecture
        self.specs = tuple(specs)
        self.stems = nn.ModuleDict({stem_name(spec): Stem(spec, channels) for spec in specs})
        graphs = [layer.graph for layer in architecture.layers]
        self.nodes, self.norms = nn.ModuleDict(), nn.ModuleDict()
        for layer, graph in enumerate(graphs):
            for i, edges in enumerate(graph):
                self.norms[str(layer * len(graph) + i)] = Norm(channels)
                for edge in edges:
                    self.nodes[str(mixture(layer, graph, i, edge.source))] = nn.ModuleDict(
                        {"candidates": nn.ModuleDict({edge.op: OPS[edge.op](channels)})}
                    )
        self.exits = nn.ModuleDict({str(len(graphs) - 1): Exit(channels)})
        self.heads = nn.ModuleDict({f"ways{spec.ways}": Head(CELLS * channels, spec.ways) for spec in specs})

    def inherited(self, params: Params) -> Params:
        """The numbers this network has in a supernet's; KeyError names one that is not there."""
        return Params({name: params.weights[name] for name, _ in self.named_parameters()}, {})

    def forward(
        self,
        x: Tensor,
        arch: Mapping[str, Tensor] = MappingProxyType({}),
        spec: TaskSpec | None = None,
        *,
        head: bool = True,
    ) -> Tensor:
        """x (B, *input_shape) to logits (B, ways), or without the head to features (B, CELLS * C)."""
        spec = self.specs[0] if spec is None else spec
        h, mask = self.stems[stem_name(spec)](x)
        before = h
        for layer in range(len(self.architecture.layers)):
            v = self._layer(layer, h, before, mask)
            before = h
            if layer in self.architecture.reductions:
                before, _ = halve(before, mask)
                v, mask = halve(v, mask)
            h = v
        features = self.exits[str(layer)](h, mask)
        return self.heads[f"ways{spec.ways}"](features) if head else features

    def _layer(self, layer: int, h: Tensor, before: Tensor, mask: Mask) -> Tensor:
        chosen = self.architecture.layers[layer]
        states, activation = [h, before], ACTIVATIONS[chosen.activation]
        for i, edges in enumerate(chosen.graph):
            parts = [
                self.nodes.get_submodule(
                    f"{mixture(layer, chosen.graph, i, edge.source)}.candidates.{edge.op}"
                )(states[edge.source], mask)
                for edge in edges
            ]
            v = activation(self.norms[str(layer * len(chosen.graph) + i)](sum(parts), mask))
            states.append(v if mask is None else v * mask)
        results = states[2:]
        out = results[0] if len(results) == 1 else torch.stack(results).mean(0)
        return out + h if self.architecture.residual else out


def mixture(layer: int, graph: Sequence[object], node: int, source: int) -> int:
    """The number that an edge's mixture has in the supernet: layers, then nodes, then sources in turn."""
    if len(graph) == 1:
        return layer  # a chain
    before = [2 + i for i in range(len(graph))]
    return layer * sum(before) + sum(before[:node]) + source


def build(
    architecture: Architecture,
    spec: TaskSpec,
    *,
    inherit: Params | None = None,
    generator: torch.Generator | None = None,
) -> FixedNet:
    """See `Architecture.build`. ValueError unless exactly one of inherit and generator is given."""
    if (inherit is None) == (generator is None):
        raise ValueError("build needs either params to inherit or a generator for fresh numbers")
    net = FixedNet(architecture, [spec])
    params = net.inherited(inherit) if inherit is not None else net.init(generator)  # type: ignore[arg-type]
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.copy_(params.weights[name])
    return net


def network(space: SearchSpace, specs: Sequence[TaskSpec]) -> SuperNet | FixedNet:
    """The network a method works on: the supernet, or the architecture the space is fixed to."""
    if space.architecture:
        return FixedNet(parse(space.architecture, space), specs)
    return SuperNet(space, specs)
