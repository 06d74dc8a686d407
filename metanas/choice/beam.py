"""Beam search beyond the candidates: per task, over the whole space, with the leave-one-out loss as fitness.

Each round mutates the `breadth` best architectures of every task (as regularised evolution does: Real et al.,
2019, sec. 3.1) and keeps the best of old and new. New architectures of all tasks are evaluated together, on
all tasks, so a lucky find of one task serves the others.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from metanas.search.variation import mutate
from metanas.space.architecture import Architecture
from metanas.space.space import SearchSpace

Fitness = Callable[[Sequence[Architecture]], Tensor]  # n architectures -> losses (n, T)


def beam(
    space: SearchSpace,
    known: Sequence[Architecture],
    losses: Tensor,
    fitness: Fitness,
    generator: torch.Generator,
    *,
    rounds: int,
    breadth: int = 4,
    allowed: Callable[[Architecture], bool] = lambda architecture: True,
) -> list[Architecture]:
    """The best architecture found for each of T tasks.

    known, losses (n, T): where the search starts. allowed: which architectures may be taken.
    """
    found = list(known)
    for _ in range(rounds):
        best = losses.topk(min(breadth, len(found)), dim=0, largest=False).indices  # (breadth, T)
        parents = [found[i] for i in best.unique().tolist()]
        children = dict.fromkeys(mutate(space, parent, generator) for parent in parents)
        new = [child for child in children if child not in found and allowed(child)]
        if new:
            found += new
            losses = torch.cat([losses, fitness(new)])
    return [found[i] for i in losses.argmin(0).tolist()]
