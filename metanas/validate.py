"""Accuracy on meta-validation episodes: what tuning and early stopping may look at.

The classes are those of the `val` split, which no test episode shares; nothing here can reach the test split.
"""

from collections.abc import Callable, Sequence

from metanas.domain import Domain
from metanas.episode import EpisodeShape
from metanas.evaluation.evaluate import CHUNK, checked
from metanas.method import Method, State
from metanas.store import DataError

VAL_SEED = 1  # validation episodes are the same for all trials and checks


def accuracy(
    method: Method,
    state: State,
    domains: Sequence[Domain],
    shapes: Callable[[str], Sequence[EpisodeShape]],
    episodes: int,
    seed: int,
) -> float:
    """Mean over domains, shapes and `episodes` episodes of (seed, val). DataError without val classes."""
    pairs = [(domain, shape) for domain in domains for shape in shapes(domain.name)]
    found = [_one(method, state, domain, shape, episodes, seed) for domain, shape in pairs]
    return sum(found) / len(found)


def _one(
    method: Method, state: State, domain: Domain, shape: EpisodeShape, episodes: int, seed: int
) -> float:
    if "val" not in domain.tables:
        raise DataError(f"{domain.name} has no meta-validation classes; choose other domains (--domains)")
    right = asked = 0
    for first in range(0, episodes, CHUNK):
        tasks = domain.episodes("val", shape, seed, range(first, min(first + CHUNK, episodes)))
        adapted = method.adapt(state, tasks.spec, tasks.support)
        answers = checked(adapted.predict(tasks.query.x), tasks.query).argmax(-1)
        right += int((answers == tasks.query.y).sum())
        asked += tasks.query.y.numel()
    return right / asked
