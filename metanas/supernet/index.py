"""Every architecture of a space has a number, so the size of a space is a number too. Torch-free.

The numbers are stable: they depend on the space's candidates and their order alone. Depths come in the
order of the exits; within one, layers are digits, the first the most significant. `none` is not counted
(as in `derive`); every node of a cell reads two of its inputs, as in DARTS.
"""

from collections.abc import Iterator
from functools import cache
from itertools import combinations, product
from math import prod

from metanas.supernet.architecture import Architecture, Cell, Edge, Layer, Node, frame
from metanas.supernet.space import SearchSpace


def size(space: SearchSpace) -> int:
    """How many architectures there are."""
    return sum(_per_layer(space) ** (exit_ + 1) for exit_ in space.exits)


def at(space: SearchSpace, number: int) -> Architecture:
    """The architecture of that number in 0..size - 1."""
    if not 0 <= number < size(space):
        raise ValueError(f"an architecture's number lies in 0..{size(space) - 1}, got {number}")
    base = _per_layer(space)
    for exit_ in space.exits:
        if number < base ** (exit_ + 1):
            digits = []
            for _ in range(exit_ + 1):
                number, digit = divmod(number, base)
                digits.append(digit)
            return frame(space, [_layer(space, digit) for digit in reversed(digits)])
        number -= base ** (exit_ + 1)
    raise AssertionError("the sizes of the depths sum to the size of the space")


def number(space: SearchSpace, architecture: Architecture) -> int:
    """The number of an architecture. ValueError if it is not of this space."""
    if frame(space, architecture.layers) != architecture:
        raise ValueError(f"{architecture} does not stand in the space's frame")
    if len(architecture.layers) - 1 not in space.exits:
        raise ValueError(
            f"the space has depths {[exit_ + 1 for exit_ in space.exits]}, got {len(architecture.layers)}"
        )
    base, found = _per_layer(space), 0
    for layer in architecture.layers:
        found = found * base + _digit(space, layer)
    return found + sum(base ** (exit_ + 1) for exit_ in space.exits if exit_ + 1 < len(architecture.layers))


def member(space: SearchSpace, architecture: Architecture) -> int | None:
    """The number of an architecture, None if it is not of this space."""
    try:
        return number(space, architecture)
    except ValueError:
        return None


def _per_layer(space: SearchSpace) -> int:
    return prod(map(len, _nodes(space))) * len(space.activations)


@cache
def _nodes(space: SearchSpace) -> tuple[dict[tuple[Edge, ...], int], ...]:
    """The ways each node of a layer can be, with their numbers."""
    ops = [op for op in space.ops if op != "none"] or list(space.ops)

    def ways(sources: tuple[int, ...]) -> Iterator[tuple[Edge, ...]]:
        for read in combinations(sources, min(2, len(sources))):
            for chosen in product(ops, repeat=len(read)):
                yield tuple(Edge(op, source) for op, source in zip(chosen, read, strict=True))

    return tuple({way: i for i, way in enumerate(ways(sources))} for sources in space.sources)


def _layer(space: SearchSpace, digit: int) -> Layer:
    digit, activation = divmod(digit, len(space.activations))
    graph = []
    for ways in reversed(_nodes(space)):
        digit, way = divmod(digit, len(ways))
        graph.append(tuple(ways)[way])
    name = space.activations[activation]
    return Cell(tuple(reversed(graph)), name) if space.nodes else Node(graph[0][0].op, name)


def _digit(space: SearchSpace, layer: Layer) -> int:
    found, nodes = 0, _nodes(space)
    if len(layer.graph) != len(nodes) or isinstance(layer, Cell) != bool(space.nodes):
        raise ValueError(f"{layer} is not a layer of this space")
    for ways, way in zip(nodes, layer.graph, strict=True):
        if way not in ways:
            raise ValueError(f"{layer} is not of this space: it has no {' + '.join(map(str, way))}")
        found = found * len(ways) + ways[way]
    if layer.activation not in space.activations:
        raise ValueError(f"{layer} is not of this space: it has no activation {layer.activation}")
    return found * len(space.activations) + space.activations.index(layer.activation)
