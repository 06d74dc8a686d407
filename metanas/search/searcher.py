"""The contract of a searcher on a table: which listed architecture to evaluate next. Torch-free to import.

A searcher never trains: each query tells it the meta-validation accuracy of one stand-alone training. It is
built once for each search, so it may keep what it computed. Those of this package are in `searchers.py`;
other packages add theirs through the entry-point group `metanas.searchers`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from metanas.base.registry import Registry
from metanas.space.architecture import Architecture
from metanas.space.space import SearchSpace

if TYPE_CHECKING:
    import torch

    from metanas.search.propose import Trial


@dataclass(frozen=True)
class Problem:
    """What a searcher knows before its first query.

    domain: which one's accuracy is asked for; "shared": the mean over all domains. architectures: the list.
    trainings: of each architecture, so many times it can be asked for. macs: multiply-accumulates of one
    example. proxies: by name, scores of untrained networks (`proxies.py`), higher is better.
    """

    space: SearchSpace
    domain: str
    architectures: Sequence[Architecture]
    trainings: int
    macs: Mapping[Architecture, int]
    proxies: Mapping[str, Mapping[Architecture, float]]


class Searcher(Protocol):
    """A way of searching; a class that is called with the problem."""

    def __init__(self, problem: Problem) -> None:
        """Prepare for one search."""
        ...

    def propose(
        self, history: "Sequence[Trial]", candidates: Sequence[Architecture], rng: "torch.Generator"
    ) -> Architecture:
        """The architecture to evaluate next: a candidate, or one of the history that has a training left.

        history: the trials so far in the order of their first evaluation; a trial has one fitness in [0, 1]
        for each of its trainings that was evaluated. candidates: the listed architectures that were not, at
        least one. rng: the only source of randomness.
        """
        ...


SEARCHERS: "Registry[type[Searcher]]" = Registry(
    "searcher",
    "SEARCHERS",
    ("metanas.search",),
    "metanas.searchers",
    like="metanas.search.searcher.Searcher",
    needs=("propose",),
)
