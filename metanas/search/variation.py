"""Moves of search methods over discrete architectures: draw, mutate, cross.

All are pure functions of their torch generator. Drawing is uniform over the numbers of `supernet/index.py`;
mutation is the one of regularised evolution (Real et al., 2019, sec. 3.1): one choice changes.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import torch

from metanas.supernet.architecture import Architecture, Cell, Edge, Layer, Node, frame
from metanas.supernet.index import at, size
from metanas.supernet.space import SearchSpace

T = TypeVar("T")


def sample(space: SearchSpace, generator: torch.Generator) -> Architecture:
    """An architecture of the space, all equally likely (so most are deep: there are more of those)."""
    return at(space, below(size(space), generator))


def mutate(space: SearchSpace, parent: Architecture, generator: torch.Generator) -> Architecture:
    """The parent with one op, activation, input or the depth changed; never the parent itself.

    ValueError if the space has one architecture only.
    """
    if size(space) == 1:
        raise ValueError("the space has one architecture, there is nothing to mutate to")
    while True:
        layers = list(parent.layers)
        kind = below(3, generator)
        at_ = below(len(layers), generator)
        if kind == 0:
            layers[at_] = _other_op(space, layers[at_], generator)
        elif kind == 1:
            layers[at_] = replace(layers[at_], activation=pick(space.activations, generator))
        else:
            layers = _other_depth(space, layers, generator)
        child = frame(space, layers)
        if child != parent:
            return child


def crossover(
    space: SearchSpace, one: Architecture, other: Architecture, generator: torch.Generator
) -> Architecture:
    """As deep as one of the parents, each layer from one of the parents that have it."""
    depth = len(pick((one, other), generator).layers)
    layers = []
    for i in range(depth):
        layers.append(pick([p.layers[i] for p in (one, other) if i < len(p.layers)], generator))
    return frame(space, layers)


def pick(things: Sequence[T], generator: torch.Generator) -> T:
    """One of them, all equally likely."""
    return things[below(len(things), generator)]


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
    """One exit earlier or later; new layers are drawn."""
    place = space.exits.index(len(layers) - 1) + (1 if below(2, generator) else -1)
    if not 0 <= place < len(space.exits):
        return layers
    depth = space.exits[place] + 1
    while len(layers) < depth:
        layers = [*layers, pick(sample(space, generator).layers, generator)]
    return layers[:depth]
