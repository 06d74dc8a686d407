"""Random moves over discrete architectures: sample, mutate, cross over.

All are functions of their arguments and a torch generator. Sampling is uniform over the numbers of
`space/enumeration.py`; mutation is that of regularised evolution (Real et al., 2019, sec. 3.1): one choice
changes.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import torch

from metanas.base.errors import InvalidValue
from metanas.space.architecture import Architecture, Cell, Edge, Layer, Node, frame
from metanas.space.enumeration import at, size
from metanas.space.space import SearchSpace

T = TypeVar("T")


def sample(space: SearchSpace, generator: torch.Generator) -> Architecture:
    """A uniformly drawn architecture of the space (most are deep, as there are more of those)."""
    return at(space, below(size(space), generator))


def mutate(space: SearchSpace, parent: Architecture, generator: torch.Generator) -> Architecture:
    """The parent with one op, activation, input or the depth changed; never the parent itself.

    InvalidValue if the space has one architecture only.
    """
    if size(space) == 1:
        raise InvalidValue("the space has one architecture, there is nothing to mutate to")
    while True:
        layers = list(parent.layers)
        kind = below(3, generator)
        position = below(len(layers), generator)
        if kind == 0:
            layers[position] = _other_op(space, layers[position], generator)
        elif kind == 1:
            layers[position] = replace(layers[position], activation=pick(space.activations, generator))
        else:
            layers = _other_depth(space, layers, generator)
        child = frame(space, layers)
        if child != parent:
            return child


def crossover(
    space: SearchSpace, first: Architecture, second: Architecture, generator: torch.Generator
) -> Architecture:
    """A child as deep as one of the parents, each layer drawn from the parents that have it."""
    depth = len(pick((first, second), generator).layers)
    layers = []
    for i in range(depth):
        layers.append(pick([p.layers[i] for p in (first, second) if i < len(p.layers)], generator))
    return frame(space, layers)


def pick(items: Sequence[T], generator: torch.Generator) -> T:
    """One of the items, uniformly."""
    return items[below(len(items), generator)]


def below(count: int, generator: torch.Generator) -> int:
    """A uniform integer in 0..count - 1, however large count is (by rejection on 62-bit words)."""
    bits = count.bit_length()
    while True:
        value = 0
        for _ in range(0, bits, 62):
            value = value << 62 | int(torch.randint(1 << 62, (), generator=generator))
        value >>= -bits % 62
        if value < count:
            return value


def _other_op(space: SearchSpace, layer: Layer, generator: torch.Generator) -> Layer:
    """The layer with another op on one edge, or (in a cell) another input of one edge."""
    ops = [op for op in space.ops if op != "none"] or list(space.ops)
    if isinstance(layer, Node):
        return replace(layer, op=pick(ops, generator))
    graph = [list(edges) for edges in layer.graph]
    i = below(len(graph), generator)
    j = below(len(graph[i]), generator)
    edge = graph[i][j]
    free = [s for s in space.sources[i] if s not in {e.source for e in graph[i]}]
    if free and below(2, generator):
        graph[i][j] = Edge(edge.op, pick(free, generator))
    else:
        graph[i][j] = Edge(pick(ops, generator), edge.source)
    graph[i].sort(key=lambda e: e.source)
    return Cell(tuple(map(tuple, graph)), layer.activation)


def _other_depth(space: SearchSpace, layers: list[Layer], generator: torch.Generator) -> list[Layer]:
    """The layers up to the next exit or the one before; added layers are sampled."""
    index = space.exits.index(len(layers) - 1) + (1 if below(2, generator) else -1)
    if not 0 <= index < len(space.exits):
        return layers
    depth = space.exits[index] + 1
    while len(layers) < depth:
        layers = [*layers, pick(sample(space, generator).layers, generator)]
    return layers[:depth]
