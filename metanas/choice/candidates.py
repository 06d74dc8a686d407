"""The candidate architectures among which a task's is chosen: a fixed, pinned set of a space's."""

from collections.abc import Sequence
from dataclasses import replace

from metanas.base.errors import InvalidValue
from metanas.data.episode import TaskSpec
from metanas.models.macs import macs
from metanas.space.architecture import Architecture, Node, frame
from metanas.space.enumeration import at, size
from metanas.space.sampling import draw
from metanas.space.space import SearchSpace

_ANY = TaskSpec("candidates", "image", (1, 4, 4), ways=2)


def candidates(space: SearchSpace, count: int) -> tuple[Architecture, ...]:
    """`count` distinct architectures of the space, or all if it has fewer; always the same ones.

    In a space of chains the pure ones come first (one op in all layers, the first activation; all layers
    deep, then one), then uniform draws, and a smaller set is the beginning of a larger one.
    """
    if count < 1:
        raise InvalidValue(f"a choice needs at least one candidate, got {count}")
    if count >= size(space):
        return tuple(at(space, number) for number in range(size(space)))
    found = dict.fromkeys(pure(space)[:count])
    uniform, iteration = replace(space, sampling="uniform"), 0
    while len(found) < count:
        found.setdefault(draw(uniform, _ANY, 0, iteration))
        iteration += 1
    return tuple(found)


def affordable(architectures: Sequence[Architecture], spec: TaskSpec, budget: float) -> list[int]:
    """Which architectures cost at most `budget` MACs an example of `spec`; all without a budget (0).

    InvalidValue if none does.
    """
    costs = [macs(architecture, spec) for architecture in architectures]
    within = [i for i, cost in enumerate(costs) if not budget or cost <= budget]
    if not within:
        raise InvalidValue(
            f"no candidate costs at most {budget:,.0f} MACs on {spec.name}; the cheapest {min(costs):,}"
        )
    return within


def pure(space: SearchSpace) -> list[Architecture]:
    """Chains of one op in all layers with the first activation, all layers deep, then one; none of cells."""
    if space.nodes:
        return []
    depths = dict.fromkeys((space.exits[-1] + 1, space.exits[0] + 1))
    nodes = [Node(op, space.activations[0]) for op in space.ops if op != "none"]
    return [frame(space, [node] * depth) for depth in depths for node in nodes]
