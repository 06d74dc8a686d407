"""One discrete architecture as a network: the result of a search, or a hand-written chain.

Parameters have the same names as in a supernet (`nodes.0.candidates.conv3.weight`), so weights are inherited
by name. Methods call the network like a supernet, `(x, arch, spec)` with an empty `arch`; `net(x)` uses the
first spec it was built for.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor, nn

from metanas.data.episode import TaskSpec
from metanas.models.network import Head, Network, stem_name
from metanas.models.ops import Mask
from metanas.models.stem import Norm, halve, make_stems, standardised
from metanas.models.supernet import Exit
from metanas.params import Params
from metanas.space.architecture import Architecture
from metanas.space.candidates import ACTIVATIONS, OPS
from metanas.space.sizes import CELLS


class DerivedNet(Network):
    """The network of one architecture, with a stem and a head for every kind of task in `specs`."""

    def __init__(self, architecture: Architecture, specs: Sequence[TaskSpec]) -> None:
        super().__init__()
        channels = architecture.channels
        self.architecture = architecture
        self.specs = tuple(specs)
        self.stems = make_stems(specs, architecture)
        graphs = [layer.graph for layer in architecture.layers]
        self.nodes, self.norms = nn.ModuleDict(), nn.ModuleDict()
        for layer, graph in enumerate(graphs):
            for i, edges in enumerate(graph):
                self.norms[str(layer * len(graph) + i)] = Norm(channels)
                for edge in edges:
                    self.nodes[str(_mixture_index(layer, graph, i, edge.source))] = nn.ModuleDict(
                        {"candidates": nn.ModuleDict({edge.op: OPS[edge.op](channels)})}
                    )
        self.exits = nn.ModuleDict({str(len(graphs) - 1): Exit(channels)})
        self.heads = nn.ModuleDict({f"ways{spec.ways}": Head(CELLS * channels, spec.ways) for spec in specs})

    def inherited(self, params: Params) -> Params:
        """This network's parameters, taken by name from a supernet's. KeyError names one that is missing."""
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
        previous = h
        for index in range(len(self.architecture.layers)):
            v = self._layer(index, h, previous, mask)
            previous = h
            if index in self.architecture.reductions:
                previous, _ = halve(previous, mask)
                v, mask = halve(v, mask)
            h = v
        features = self.exits[str(index)](h, mask)
        return self.heads[f"ways{spec.ways}"](features) if head else features

    def _layer(self, index: int, h: Tensor, previous: Tensor, mask: Mask) -> Tensor:
        layer = self.architecture.layers[index]
        states, activation = [h, previous], ACTIVATIONS[layer.activation]
        for i, edges in enumerate(layer.graph):
            parts = [
                self.nodes.get_submodule(
                    f"{_mixture_index(index, layer.graph, i, edge.source)}.candidates.{edge.op}"
                )(states[edge.source], mask)
                for edge in edges
            ]
            if self.architecture.normed:
                parts = [standardised(part, mask) for part in parts]
            v = activation(self.norms[str(index * len(layer.graph) + i)](sum(parts), mask))
            states.append(v if mask is None else v * mask)
        node_outputs = states[2:]
        out = node_outputs[0] if len(node_outputs) == 1 else torch.stack(node_outputs).mean(0)
        return out + h if self.architecture.residual else out


def _mixture_index(layer: int, graph: Sequence[object], node: int, source: int) -> int:
    """The index of an edge's mixture in the supernet: ordered by layer, then node, then source."""
    if len(graph) == 1:
        return layer  # a chain
    inputs = [2 + i for i in range(len(graph))]
    return layer * sum(inputs) + sum(inputs[:node]) + source


def derived_net(
    architecture: Architecture,
    spec: TaskSpec,
    *,
    inherit: Params | None = None,
    generator: torch.Generator | None = None,
) -> DerivedNet:
    """One architecture as a plain module for tasks of `spec`: x (B, *input_shape) to logits (B, ways).

    Its parameters are copied from a supernet's (`inherit`) or initialised at random from `generator`.
    ValueError unless exactly one of the two is given; KeyError for a parameter that `inherit` lacks.
    """
    if (inherit is None) == (generator is None):
        raise ValueError("derived_net needs either params to inherit or a generator to initialise from")
    net = DerivedNet(architecture, [spec])
    params = net.inherited(inherit) if inherit is not None else net.init(generator)  # type: ignore[arg-type]
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.copy_(params.weights[name])
    return net
