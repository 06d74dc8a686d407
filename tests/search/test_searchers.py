"""Searchers on a list: what is nearest, what the surrogates prefer, and the rules of each."""

import numpy as np
import pytest

from metanas.base.seeding import generator
from metanas.search.propose import Trial
from metanas.search.searcher import SEARCHERS, Problem
from metanas.search.searchers import distance, nearest
from metanas.search.surrogates import choices, expected_improvement, parzen_ratio
from metanas.space.architecture import Architecture, parse
from metanas.space.enumeration import at, size
from metanas.space.space import SearchSpace

SPACE = SearchSpace(ops=("conv3", "gru", "skip"), activations=("relu", "tanh"), layers=2)
LISTED = tuple(at(SPACE, i) for i in range(size(SPACE)))
PROBLEM = Problem(
    SPACE,
    "digits",
    LISTED,
    2,
    {a: i for i, a in enumerate(LISTED)},
    {name: {a: -float(i) for i, a in enumerate(LISTED)} for name in ("naswot", "synflow", "grad-norm")},
)


def value(architecture: Architecture) -> float:
    """The share of convolutions."""
    return sum("conv3" in str(layer) for layer in architecture.layers) / 2


def test_distance_counts_choices_that_differ() -> None:
    one, other = parse("conv3/relu > gru/relu"), parse("conv3/tanh > skip/relu")
    assert distance(one, one) == 0 and distance(one, other) == 2
    assert distance(one, parse("conv3/relu")) == 2 == distance(parse("conv3/relu"), one)
    near = [parse("gru/relu > gru/relu"), parse("skip/tanh > skip/tanh")]
    assert nearest(one, near, generator(0, "t")) == near[0]


@pytest.mark.parametrize("name", list(SEARCHERS))
def test_every_searcher_proposes_candidates_and_repeats_itself(name: str) -> None:
    proposed = []
    for _ in range(2):
        searcher, rng, history = SEARCHERS[name](PROBLEM), generator(3, name), []
        for _ in range(25):
            candidates = [a for a in LISTED if a not in {t.architecture for t in history}]
            architecture = searcher.propose(tuple(history), candidates, rng)
            if architecture not in candidates:
                assert name == "successive-halving" and architecture == history[-1].architecture
                history[-1] = Trial(architecture, (*history[-1].fitness, value(architecture)))
            else:
                history.append(Trial(architecture, (value(architecture),)))
        assert max(len(trial.fitness) for trial in history) == (2 if name == "successive-halving" else 1)
        proposed.append([trial.architecture for trial in history])
    assert proposed[0] == proposed[1]
    if name == "largest":
        assert proposed[0] == list(reversed(LISTED))[:25]
    if name in PROBLEM.proxies:
        assert proposed[0] == list(LISTED[:25])


@pytest.mark.parametrize("score", [expected_improvement, parzen_ratio])
def test_surrogates_prefer_what_resembles_the_best(score: object) -> None:
    assert callable(score)
    rows = choices(LISTED, SPACE.layers)
    rng = np.random.default_rng(0)
    known = rng.permutation(len(LISTED))[:20]
    rest = np.setdiff1d(np.arange(len(LISTED)), known)
    fitness = np.array([value(LISTED[i]) for i in known]) + 0.01 * rng.standard_normal(20)
    scores = score(rows[known], fitness, rows[rest])
    best = max(value(LISTED[i]) for i in rest)
    assert value(LISTED[rest[int(scores.argmax())]]) == best


def test_expected_improvement_is_that_of_the_closed_form() -> None:
    """With two trials that share nothing with the candidate its mean is the prior's, its variance 1."""
    tried, fitness = np.array([[1, 1, 1], [2, 2, 2]]), np.array([0.2, 0.8])
    far = np.array([[3, 3, 3]])
    found = expected_improvement(tried, fitness, far)[0]
    z = -1.0  # the best of two standardised trials is 1
    density, share = np.exp(-0.5) / np.sqrt(2 * np.pi), 0.158655
    assert 0 < found < 0.5 and found == pytest.approx(z * share + density, rel=0.15)
