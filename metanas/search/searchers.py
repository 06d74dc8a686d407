"""The searchers of this package: the proposers of the search methods on a list of candidates, and proxies.

Evolution knows the whole space and the list is a part of it: a child is replaced by the `nearest` candidate.
TPE and the Gaussian process score the list itself (`surrogates.py`). Numbers such as the population are the
defaults of `baselines/`.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch

from metanas.search.propose import Trial, evolve, goes_on
from metanas.search.searcher import SEARCHERS, Problem
from metanas.search.surrogates import Floats, Ints, choices, expected_improvement, parzen_ratio
from metanas.search.variation import pick
from metanas.space.architecture import Architecture


def distance(one: Architecture, other: Architecture) -> int:
    """How many ops and activations differ; both of a layer that only one of them has."""
    pairs = zip(one.layers, other.layers, strict=False)
    differing = sum((a.graph != b.graph) + (a.activation != b.activation) for a, b in pairs)
    return differing + 2 * abs(len(one.layers) - len(other.layers))


def nearest(wanted: Architecture, candidates: Sequence[Architecture], rng: torch.Generator) -> Architecture:
    """One of the candidates with the smallest distance, uniformly."""
    distances = [distance(wanted, candidate) for candidate in candidates]
    least = min(distances)
    return pick([c for c, d in zip(candidates, distances, strict=True) if d == least], rng)


@SEARCHERS.register("random")
class Random:
    """Random search: each query another candidate, uniformly."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def propose(
        self, history: Sequence[Trial], candidates: Sequence[Architecture], rng: torch.Generator
    ) -> Architecture:
        """Any candidate."""
        return pick(candidates, rng)


@SEARCHERS.register("evolution")
class Evolution(Random):
    """Regularised evolution (Real et al., 2019): a mutated winner of a tournament."""

    def propose(
        self, history: Sequence[Trial], candidates: Sequence[Architecture], rng: torch.Generator
    ) -> Architecture:
        """The nearest candidate to the child; random ones until there is a population of 20."""
        if len(history) < 20:
            return pick(candidates, rng)
        child = evolve(self.problem.space, history, rng, population=20, tournament=5)
        return nearest(child, candidates, rng)


class _Surrogate(Random):
    """The candidate with the best score of a surrogate; random ones in the first `startup` queries."""

    startup: ClassVar[int] = 10

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        rows = choices(problem.architectures, problem.space.layers)
        self._rows = dict(zip(problem.architectures, rows, strict=True))

    def propose(
        self, history: Sequence[Trial], candidates: Sequence[Architecture], rng: torch.Generator
    ) -> Architecture:
        if len(history) < self.startup:
            return pick(candidates, rng)
        tried, rows = (
            np.array([self._rows[a] for a in listed])
            for listed in ([trial.architecture for trial in history], candidates)
        )
        scores = self._scores(tried, np.array([trial.mean for trial in history]), rows)
        return pick([candidates[i] for i in np.flatnonzero(scores == scores.max())], rng)

    def _scores(self, tried: Ints, fitness: Floats, candidates: Ints) -> Floats:
        raise NotImplementedError


@SEARCHERS.register("tpe")
class Tpe(_Surrogate):
    """Parzen estimators of good and other architectures (Bergstra et al., 2011), on the whole list."""

    def _scores(self, tried: Ints, fitness: Floats, candidates: Ints) -> Floats:
        return parzen_ratio(tried, fitness, candidates)


@SEARCHERS.register("gp")
class Gp(_Surrogate):
    """Gaussian process with expected improvement (Snoek et al., 2012), on the whole list."""

    def _scores(self, tried: Ints, fitness: Floats, candidates: Ints) -> Floats:
        return expected_improvement(tried, fitness, candidates)


@SEARCHERS.register("successive-halving")
class SuccessiveHalving(Random):
    """Successive halving (Li et al., 2020) over the trainings of an architecture: the better half goes on."""

    def propose(
        self, history: Sequence[Trial], candidates: Sequence[Architecture], rng: torch.Generator
    ) -> Architecture:
        """The youngest trial again if it is among the best half of its rung, else a random candidate."""
        seed = int(torch.randint(2**31, (), generator=rng))
        if goes_on(history, seed, least=1, factor=2, top=self.problem.trainings):
            return history[-1].architecture
        return pick(candidates, rng)


class _Ranked(Random):
    """Candidates by a score that costs no training, the best first."""

    def propose(
        self, history: Sequence[Trial], candidates: Sequence[Architecture], rng: torch.Generator
    ) -> Architecture:
        return max(candidates, key=self._score)

    def _score(self, candidate: Architecture) -> float:
        raise NotImplementedError


class _ByProxy(_Ranked):
    proxy: ClassVar[str]

    def _score(self, candidate: Architecture) -> float:
        return self.problem.proxies[self.proxy][candidate]


@SEARCHERS.register("naswot")
class NasWot(_ByProxy):
    """By the activation patterns of the untrained network (Mellor et al., 2021), the best first."""

    proxy = "naswot"


@SEARCHERS.register("synflow")
class SynFlow(_ByProxy):
    """By the synaptic flow of the untrained network (Tanaka et al., 2020), the best first."""

    proxy = "synflow"


@SEARCHERS.register("grad-norm")
class GradNorm(_ByProxy):
    """By the gradient's norm of the untrained network (Abdelfattah et al., 2021), the best first."""

    proxy = "grad-norm"


@SEARCHERS.register("largest")
class Largest(_Ranked):
    """By multiply-accumulates, the most first: what a search must beat."""

    def _score(self, candidate: Architecture) -> float:
        return float(self.problem.macs[candidate])
