"""Single-path meta-training: which one architecture a domain's tasks go through in an iteration. Torch-free.

With `space.sampling` other than mixture the supernet computes, in meta-training, one drawn architecture
instead of the mixture of all (single-path one-shot NAS, Guo et al., ECCV 2020), another one for every domain
and iteration:

uniform: every op, activation and exit with equal probability.
fair: in every layer each op once in as many iterations as there are ops (FairNAS, Chu et al., ICCV 2021, sec.
    3.2); activations and exits likewise.
posterior: in proportion to the weights that the current architecture logits give (as GDAS, Dong and Yang,
    CVPR 2019, eq. 3); the logits then get a straight-through gradient.

A draw is a pure function of (seed, domain, iteration), so a resumed run goes on with the same architectures.
The training loop says which iteration it is (`training`), the supernet asks (`drawn`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.base import philox
from metanas.data.episode import TaskSpec
from metanas.space.architecture import Architecture, Cell, Edge, Layer, Node, frame
from metanas.space.space import SearchSpace

GROUPS = ("node", "activation", "depth")
Probabilities = Mapping[str, NDArray[np.float64]]  # by group: node (L * E, O), activation (L, A), depth (X,)


class _Position(NamedTuple):
    seed: int
    iteration: int
    probabilities: Callable[[str], Probabilities]  # of a level, see `SearchSpace.level`


_position: ContextVar[_Position | None] = ContextVar("position", default=None)


@contextmanager
def training(
    seed: int, iteration: int, probabilities: Callable[[str], Probabilities] = lambda level: {}
) -> Iterator[None]:
    """Meta-training is at this iteration. probabilities: of a level's candidates, for sampling=posterior."""
    token = _position.set(_Position(seed, iteration, probabilities))
    try:
        yield
    finally:
        _position.reset(token)


def drawn(space: SearchSpace, spec: TaskSpec) -> Architecture | None:
    """The architecture that a domain's tasks go through now; None outside of single-path meta-training."""
    position = _position.get()
    if position is None or space.sampling == "mixture":
        return None
    return draw(space, spec, *position)


def draw(
    space: SearchSpace,
    spec: TaskSpec,
    seed: int,
    iteration: int,
    probabilities: Callable[[str], Probabilities] = lambda level: {},
) -> Architecture:
    """The architecture of (seed, domain, iteration) by the space's `sampling`."""
    sizes, domain = _sizes(space), spec.name
    if space.sampling == "fair":
        choices = [
            _permuted(philox.key("fair-v1", seed, domain, i), iteration, size) for i, size in enumerate(sizes)
        ]
        return _architecture(space, choices)
    bits = philox.words(philox.key("paths-v1", seed, domain), np.array([iteration]), len(sizes))[0]
    if space.sampling == "uniform":
        return _architecture(space, philox.below(np.array(sizes), bits).tolist())
    groups = probabilities(space.level(spec))
    rows = [row for name in GROUPS for row in np.atleast_2d(groups[name])]
    return _architecture(
        space,
        [
            int(min(np.searchsorted(np.cumsum(row / row.sum()), u, side="right"), len(row) - 1))
            for row, u in zip(rows, philox.uniform(bits), strict=True)
        ],
    )


def _sizes(space: SearchSpace) -> list[int]:
    """How many candidates each choice has: every edge's ops, every layer's activations, the exits."""
    edges = space.layers * space.edges
    return [len(space.ops)] * edges + [len(space.activations)] * space.layers + [len(space.exits)]


def _permuted(key: int, iteration: int, size: int) -> int:
    """The choice at `iteration` where each block of `size` iterations holds every choice once."""
    block, place = divmod(iteration, size)
    return int(np.argsort(philox.words(key, np.array([block]), size)[0], kind="stable")[place])


def _architecture(space: SearchSpace, choices: Sequence[int]) -> Architecture:
    edges = space.layers * space.edges
    ops = iter(space.ops[i] for i in choices[:edges])
    activations = [space.activations[i] for i in choices[edges : edges + space.layers]]
    layers: list[Layer] = []
    for activation in activations[: space.exits[choices[-1]] + 1]:
        graph = tuple(tuple(Edge(next(ops), source) for source in sources) for sources in space.sources)
        layers.append(Cell(graph, activation) if space.nodes else Node(graph[0][0].op, activation))
    return frame(space, layers)
