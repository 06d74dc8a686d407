"""Meta-validation: the accuracy that tuning and early stopping look at, and the tasks of `Method.select`.

The classes are those of the `val` split, which no test episode shares; nothing here can reach the test split.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from metanas.base.errors import DataError
from metanas.data.domain import Domain
from metanas.data.episode import SELECTION_SEED, VALIDATION_SEED, Episodes, EpisodeShape
from metanas.engine.predict import right_answers
from metanas.method import Method, State

SELECTION_TASKS = 20  # of each domain, for `Method.select` after meta-training
EARLY_TASKS = 5  # the first of them, at `Method.selects_at`


class Select(Protocol):
    """A state with what the method chose on so many pinned meta-validation tasks of each domain."""

    def __call__(self, state: State, count: int = SELECTION_TASKS) -> State:
        """As the class says."""


def selection(method: Method, tasks: Iterable[tuple[Domain, EpisodeShape]]) -> Select | None:
    """What follows meta-training: `Method.select` on pinned meta-validation tasks; None if it does nothing.

    Of every domain with meta-validation classes, in its shape of most shots with as many queries and, where
    ways are drawn, the fewest ways.
    """
    if getattr(type(method), "select", Method.select) is Method.select:
        return None
    shapes: dict[str, tuple[Domain, EpisodeShape]] = {}
    for domain, shape in tasks:
        known = shapes.get(domain.name)
        if "val" in domain.tables and (known is None or shape.shots > known[1].shots):
            shapes[domain.name] = (domain, shape)

    def select(state: State, count: int = SELECTION_TASKS) -> State:
        tasks = [_selection_tasks(*pair, count).to(state.device) for pair in shapes.values()]
        return method.select(state, tasks)

    return select if shapes else None


def _selection_tasks(domain: Domain, shape: EpisodeShape, count: int) -> Episodes:
    shape = EpisodeShape(shape.possible_ways[0], shape.shots, shape.shots)
    return domain.episodes("val", shape, SELECTION_SEED, range(count))


def accuracy(
    method: Method, state: State, tasks: Sequence[tuple[Domain, EpisodeShape]], episodes: int
) -> float:
    """Mean accuracy over tasks of their first `episodes` meta-validation episodes, in [0, 1].

    DataError for a domain without meta-validation classes.
    """
    return sum(_accuracy(method, state, *task, episodes) for task in tasks) / len(tasks)


def _accuracy(method: Method, state: State, domain: Domain, shape: EpisodeShape, episodes: int) -> float:
    if "val" not in domain.tables:
        raise DataError(f"{domain.name} has no meta-validation classes; choose other domains (--domains)")
    right = right_answers(method, state, domain, "val", shape, VALIDATION_SEED, episodes)
    return int(right.sum()) / (episodes * shape.all_queries)
