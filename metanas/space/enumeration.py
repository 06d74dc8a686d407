"""Enumeration of a search space: a bijection between its architectures and 0..size - 1. Torch-free.

An index depends only on the space's candidates, their order and its depths, so it can be stored. Indices run
over the depths in the order of the exits; within a depth, layers are the digits of the index, the first layer
the most significant. `none` is not counted (`derive` does not select it); every node of a cell reads two
inputs, as in DARTS.
"""

from collections.abc import Iterator
from functools import cache
from itertools import combinations, product
from math import prod

from metanas.base.errors import InvalidValue
from metanas.space.architecture import Architecture, Cell, Edge, Layer, Node, frame
from metanas.space.space import SearchSpace


def size(space: SearchSpace) -> int:
    """The number of architectures in the space."""
    return sum(_choices_per_layer(space) ** (exit_ + 1) for exit_ in space.exits)


def at(space: SearchSpace, number: int) -> Architecture:
    """The architecture with the given index in 0..size - 1. InvalidValue if it is outside."""
    if not 0 <= number < size(space):
        raise InvalidValue(f"an architecture's number lies in 0..{size(space) - 1}, got {number}")
    base = _choices_per_layer(space)
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
    """The index of an architecture, the inverse of `at`. InvalidValue if it is not of this space."""
    if frame(space, architecture.layers) != architecture:
        raise InvalidValue(
            f"{architecture} is not of this space: channels, reductions, residual or stem differ"
        )
    if len(architecture.layers) - 1 not in space.exits:
        raise InvalidValue(
            f"the space has depths {[exit_ + 1 for exit_ in space.exits]}, got {len(architecture.layers)}"
        )
    base, index = _choices_per_layer(space), 0
    for layer in architecture.layers:
        index = index * base + _digit(space, layer)
    return index + sum(base ** (exit_ + 1) for exit_ in space.exits if exit_ + 1 < len(architecture.layers))


def member(space: SearchSpace, architecture: Architecture) -> int | None:
    """The index of an architecture, or None if it is not of this space."""
    try:
        return number(space, architecture)
    except ValueError:
        return None


def _choices_per_layer(space: SearchSpace) -> int:
    return prod(map(len, _node_choices(space))) * len(space.activations)


@cache
def _node_choices(space: SearchSpace) -> tuple[dict[tuple[Edge, ...], int], ...]:
    """For each node of a layer, its possible tuples of edges and their indices."""
    ops = [op for op in space.ops if op != "none"] or list(space.ops)

    def choices_of(sources: tuple[int, ...]) -> Iterator[tuple[Edge, ...]]:
        for inputs in combinations(sources, min(2, len(sources))):
            for edge_ops in product(ops, repeat=len(inputs)):
                yield tuple(Edge(op, source) for op, source in zip(edge_ops, inputs, strict=True))

    return tuple({choice: i for i, choice in enumerate(choices_of(sources))} for sources in space.sources)


def _layer(space: SearchSpace, digit: int) -> Layer:
    digit, activation = divmod(digit, len(space.activations))
    graph = []
    for choices in reversed(_node_choices(space)):
        digit, choice = divmod(digit, len(choices))
        graph.append(tuple(choices)[choice])
    name = space.activations[activation]
    return Cell(tuple(reversed(graph)), name) if space.nodes else Node(graph[0][0].op, name)


def _digit(space: SearchSpace, layer: Layer) -> int:
    digit, node_choices = 0, _node_choices(space)
    if len(layer.graph) != len(node_choices) or isinstance(layer, Cell) != bool(space.nodes):
        raise InvalidValue(f"{layer} is not a layer of this space")
    for choices, choice in zip(node_choices, layer.graph, strict=True):
        if choice not in choices:
            raise InvalidValue(f"{layer} is not of this space: it has no {' + '.join(map(str, choice))}")
        digit = digit * len(choices) + choices[choice]
    if layer.activation not in space.activations:
        raise InvalidValue(f"{layer} is not of this space: it has no activation {layer.activation}")
    return digit * len(space.activations) + space.activations.index(layer.activation)
