"""Successive halving over architectures with shared weights; all else as in `random_search.py`.

Jamieson, Talwalkar: Non-stochastic Best Arm Identification and Hyperparameter Optimization (AISTATS 2016),
asynchronous as in Li et al. (MLSys 2020), by Optuna's pruner: an architecture is evaluated on one meta-batch
after another and goes on while it is among the best so far.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch

from baselines.random_search import RandomSearch
from metanas.base.ranges import Count, Range
from metanas.method import METHODS
from metanas.search.propose import Trial, goes_on
from metanas.search.variation import sample
from metanas.space.architecture import Architecture


@METHODS.register("successive-halving")
class SuccessiveHalving(RandomSearch):
    """Successive halving with shared weights, then training of the best (Jamieson and Talwalkar, 2016)."""

    @dataclass(frozen=True)
    class Settings(RandomSearch.Settings):
        """factor: one of so many goes on. top: the most evaluations of an architecture."""

        factor: Annotated[int, Range(least=2)] = 2
        top: Count = 8

    settings: Settings

    def propose(self, history: Sequence[Trial], rng: torch.Generator) -> Architecture:
        """The last architecture again if it goes on, or else a random one."""
        s, seed = self.settings, int(torch.randint(2**31, (), generator=rng))
        if goes_on(history, seed, least=1, factor=s.factor, top=s.top):
            return history[-1].architecture
        return sample(s.space, rng)
