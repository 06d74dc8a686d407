"""Regularised evolution over architectures with shared weights; all else as in `random_search.py`.

Real, Aggarwal, Huang, Le: Regularized Evolution for Image Classifier Architecture Search (AAAI 2019),
algorithm 1. Where we differ: fitness by shared weights instead of training each from scratch, and a smaller
population (theirs: 100 and a tournament of 25).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from baselines.random_search import RandomSearch
from metanas.base.ranges import Count, Share
from metanas.method import METHODS
from metanas.search.propose import Trial, evolve
from metanas.space.architecture import Architecture


@METHODS.register("evolution")
class Evolution(RandomSearch):
    """Regularised evolution with shared weights, then training of the best (Real et al., 2019)."""

    @dataclass(frozen=True)
    class Settings(RandomSearch.Settings):
        """population: how many of the youngest trials may be parents. tournament: how many compete for it.

        crossing: the probability that a child has two parents (0 in the paper).
        """

        population: Count = 20
        tournament: Count = 5
        crossing: Share = 0.0

    settings: Settings

    def propose(self, history: Sequence[Trial], rng: torch.Generator) -> Architecture:
        """A mutated winner of a tournament among the population."""
        s = self.settings
        sizes = {"population": s.population, "tournament": s.tournament}
        return evolve(s.space, history, rng, **sizes, crossing=s.crossing)
