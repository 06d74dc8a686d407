"""Accuracy on meta-validation episodes: what tuning and early stopping may look at.

The classes are those of the `val` split, which no test episode shares; nothing here can reach the test split.
"""

from collections.abc import Sequence

from metanas.base.errors import DataError
from metanas.data.domain import Domain
from metanas.data.episode import VALIDATION_SEED, EpisodeShape
from metanas.engine.predict import answers
from metanas.method import Method, State


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
    correct = total = 0
    for part in answers(method, state, domain, "val", shape, VALIDATION_SEED, episodes):
        labels = part.tasks.query.y
        correct += int((part.probabilities.argmax(-1) == labels).sum())
        total += labels.numel()
    return correct / total
