"""Thousands of simulated studies with known truth: do intervals cover and tests hold their level?

Scores are made as in statistics.py's model, mean + seed + episode + rest, with sizes as seen in real runs
(episodes differ by 0.08, seeds by 0 to 0.05). 2,000 studies tell 95 % only to +-1 point, so coverage is
taken from 8,000 (+-0.5). The random numbers are fixed.
"""

import os
from collections.abc import Callable

import numpy as np
import pytest

from metanas.evaluation.paired import holm, sign_flip_p
from metanas.evaluation.statistics import Floats, View, bootstrap_draws, difference, estimate

STUDIES = 2000
MANY = 8000
ALL_PAIRS = [(1, 0.0, 0.0), (3, 0.0, 0.0), (3, 0.01, 0.05), (5, 0.01, 0.0)]  # seeds, between, common
if os.environ.get("METANAS_LONG"):
    ALL_PAIRS += [(3, 0.01, 0.0), (3, 0.05, 0.0), (5, 0.0, 0.0), (5, 0.01, 0.05), (8, 0.01, 0.05)]
LEVELS = (0.0, 0.003, 0.006, 0.02, 0.05)  # how much seeds differ


def studies(seeds: int, between: float, episodes: int, name: str) -> "Callable[[], Floats]":
    random = np.random.default_rng([seeds, int(1000 * between), episodes, len(name)])

    def draw() -> Floats:
        return (
            0.7
            + between * random.normal(size=(seeds, 1))
            + 0.08 * random.normal(size=(1, episodes))
            + 0.05 * random.normal(size=(seeds, episodes))
        )

    return draw


@pytest.mark.parametrize("between", LEVELS)
@pytest.mark.parametrize("seeds", [3, 5])
def test_the_interval_covers_the_expected_score(seeds: int, between: float) -> None:
    draw = studies(seeds, between, 60, "one")
    covered = np.mean([0.7 in estimate({"a/5w1s": draw()}).interval() for _ in range(MANY)])
    assert 0.94 <= covered <= 0.96


@pytest.mark.parametrize("episodes", [60, 600])
def test_one_seeds_interval_covers_that_models_score(episodes: int) -> None:
    draw = studies(1, 0.0, episodes, "one")
    covered = np.mean([0.7 in estimate({"a/5w1s": draw()}).interval() for _ in range(MANY)])
    assert 0.94 <= covered <= 0.96


@pytest.mark.parametrize("between", [0.0, 0.02])
def test_the_mean_over_domains_covers(between: float) -> None:
    draws = [studies(3, between, 40, name) for name in ("a", "bb", "ccc")]
    found = [
        0.7 in estimate({f"{i}/5w1s": draw() for i, draw in enumerate(draws)}).interval() for _ in range(MANY)
    ]
    assert 0.94 <= np.mean(found) <= 0.96


@pytest.mark.parametrize(("between", "low", "high"), [(0.0, 0.94, 0.98), (0.05, 0.78, 0.88)])
def test_percentile_bootstraps_cover_only_where_seeds_do_not_differ(
    between: float, low: float, high: float
) -> None:
    """Why they are only shown beside the interval; the figures stand in docs/evaluation.md."""
    draw = studies(3, between, 60, "boot")
    found = []
    for _ in range(400):
        least, most = np.percentile(bootstrap_draws({"m": {"a/5w1s": draw()}})[0], [2.5, 97.5])
        found.append(least <= 0.7 <= most)
    assert low < np.mean(found) < high


@pytest.mark.parametrize(("seeds", "between", "common"), ALL_PAIRS)
def test_the_family_of_all_pairs_holds_its_level(seeds: int, between: float, common: float) -> None:
    """Five equal methods, ten pairs: one or more false alarms in at most 5.5 % of the studies.

    between: how much a method's seeds differ; common: how much they do for all methods alike.
    """
    random, alarms = np.random.default_rng([seeds, int(1000 * between)]), 0
    for _ in range(STUDIES):
        shared = 0.7 + 0.08 * random.normal(size=(1, 60)) + common * random.normal(size=(seeds, 1))
        views = [_method(random, seeds, between, shared) for _ in range(5)]
        p = [difference(views[i], views[j]).p() for i in range(5) for j in range(i + 1, 5)]
        alarms += min(holm(p)) < 0.05
    assert alarms / STUDIES <= 0.055


def test_sign_flips_hold_their_level_for_equal_models() -> None:
    random, alarms = np.random.default_rng(9), 0
    for _ in range(STUDIES // 10):
        gaps = [{"a/5w1s": random.normal(0, 0.1, 40)} for _ in range(10)]
        alarms += sum(p < 0.05 for p in sign_flip_p(gaps))
    assert 0.04 <= alarms / STUDIES <= 0.06


def _method(random: np.random.Generator, seeds: int, between: float, shared: Floats) -> View:
    made = (
        shared
        + between * random.normal(size=(seeds, 1))
        + 0.05 * random.normal(size=(seeds, shared.shape[1]))
    )
    return {"a/5w1s": made}
