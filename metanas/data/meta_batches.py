"""The batches of tasks that meta-training takes, as a map-style torch Dataset: one item an iteration."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch.utils.data import DataLoader, Dataset

from metanas.data.domain import Domain
from metanas.data.episode import Episodes, EpisodeShape
from metanas.data.sampler import ways_of


@dataclass(frozen=True)
class MetaBatchSampler(Dataset[list[Episodes]]):
    """Item i is the meta-batch of iteration i: `tasks` episodes of each domain that has meta-train classes.

    The shapes of a domain (`Suite.train_shapes`) are taken in turn by iteration, so that one learner serves 1
    and 5 shots. Where ways are drawn, the tasks of a domain and iteration have the same ones, to lie side by
    side. Item i is a pure function of i.
    """

    domains: Sequence[Domain]
    shapes: Callable[[str], Sequence[EpisodeShape]]
    tasks: int
    seed: int

    def __getitem__(self, iteration: int) -> list[Episodes]:
        """The tasks of one iteration, one `Episodes` per domain."""
        ids = range(iteration * self.tasks, (iteration + 1) * self.tasks)
        return [
            domain.episodes("train", self._shape(domain.name, shapes, iteration), self.seed, ids)
            for domain in self.domains
            if domain.trains
            for shapes in [self.shapes(domain.name)]
        ]

    def _shape(self, domain: str, shapes: Sequence[EpisodeShape], iteration: int) -> EpisodeShape:
        shape = shapes[iteration % len(shapes)]
        (ways,) = ways_of(domain, "train", self.seed, shape, np.array([iteration])).tolist()
        return replace(shape, ways=ways, fewest_ways=0)


def batches(sampler: MetaBatchSampler, iterations: range, workers: int) -> Iterator[list[Episodes]]:
    """The meta-batches of these iterations in order, drawn ahead by so many background processes (0: none).

    The same bytes either way. Workers are forked, so that a plain script needs no `__main__` guard.
    """
    if not workers or not len(iterations):
        yield from (sampler[iteration] for iteration in iterations)
        return
    yield from DataLoader(
        sampler,
        batch_size=None,
        sampler=iterations,
        num_workers=workers,
        collate_fn=_unchanged,
        multiprocessing_context="fork",
    )


def _unchanged(batch: list[Episodes]) -> list[Episodes]:
    return batch
