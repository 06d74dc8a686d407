"""Ask a trained method for predictions on the pinned test episodes.

Comes after `train.py`; what it returns is written by `result.py` and scored without torch. The method
gets support sets and query inputs, never query labels. Queries go in together for speed; that this
changes nothing is checked on the first episodes of every task (`check_independent`), unless the method
says that it is transductive.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metanas.domain import Domain
from metanas.episode import Batch, EpisodeShape
from metanas.method import Adapted, Method, State

CHUNK = 10  # episodes adapted side by side


class ProtocolError(RuntimeError):
    """A method broke a rule of the evaluation."""


@dataclass(frozen=True)
class Evaluated:
    """probabilities: (E, Q, ways). arch: adapted logits over all episodes (E, ...), None without search."""

    probabilities: NDArray[np.float32]
    arch: dict[str, Tensor] | None


def evaluate(
    method: Method,
    state: State,
    domain: Domain,
    shape: EpisodeShape,
    episodes: int,
    *,
    tell: Callable[[int], None] = lambda done: None,
) -> Evaluated:
    """Predictions on the pinned test episodes 0..episodes-1 of this domain and shape."""
    parts, archs = [], []
    for first in range(0, episodes, CHUNK):
        ids = range(first, min(first + CHUNK, episodes))
        tasks = domain.episodes("test", shape, 0, ids)
        adapted = method.adapt(state, tasks.spec, tasks.support)
        probabilities = checked(adapted.predict(tasks.query.x), tasks.query)
        if first == 0 and not method.transductive:
            check_independent(adapted, tasks.query.x, probabilities)
        parts.append(probabilities)
        if adapted.arch:
            archs.append(adapted.arch)
        tell(ids.stop)
    arch = {name: torch.cat([a[name] for a in archs]) for name in archs[0]} if archs else None
    return Evaluated(torch.cat(parts).numpy(), arch)


def checked(probabilities: Tensor, query: Batch) -> Tensor:
    """ProtocolError unless every query has finite probabilities that sum to 1."""
    if probabilities.shape[:2] != query.y.shape:
        raise ProtocolError(
            f"predict returned shape {tuple(probabilities.shape)} for {tuple(query.y.shape)} queries"
        )
    sums = probabilities.sum(-1)
    if not torch.allclose(sums, torch.ones_like(sums), atol=1e-3):
        raise ProtocolError(
            f"probabilities must sum to 1, got sums from {sums.min():.4f} to {sums.max():.4f}"
        )
    return probabilities.detach().float()


def check_independent(adapted: Adapted, x: Tensor, together: Tensor) -> None:
    """ProtocolError if a query's prediction changes when it is asked alone. x: (T, Q, *input_shape)."""
    for query in range(0, x.shape[1], max(1, x.shape[1] // 5)):
        alone = adapted.predict(x[:, query : query + 1])[:, 0]
        gap = float((alone - together[:, query]).abs().max())
        if gap > 1e-3:
            raise ProtocolError(
                f"predictions depend on the other queries (probability of query {query} differs by {gap:.3g} "
                "when it is asked alone); declare the method `transductive = True`"
            )
