"""Bayesian optimisation over architectures by Parzen estimators; all else as in `random_search.py`.

Bergstra, Bardenet, Bengio, Kegl: Algorithms for Hyper-Parameter Optimization (NeurIPS 2011), sec. 4 (TPE), by
Optuna's sampler.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from baselines.random_search import RandomSearch
from metanas.base.ranges import Number
from metanas.method import METHODS
from metanas.search.propose import Trial, by_sampler
from metanas.space.architecture import Architecture


@METHODS.register("tpe")
class Tpe(RandomSearch):
    """Search by tree-structured Parzen estimators, then training of the best (Bergstra et al., 2011)."""

    @dataclass(frozen=True)
    class Settings(RandomSearch.Settings):
        """startup: random trials before the model proposes."""

        startup: Number = 10

    settings: Settings

    def propose(self, history: Sequence[Trial], rng: torch.Generator) -> Architecture:
        """The sampler's next suggestion; a random architecture in the first `startup` trials."""
        s, seed = self.settings, int(torch.randint(2**31, (), generator=rng))
        return by_sampler(s.space, history, seed, sampler="tpe", startup=s.startup)
