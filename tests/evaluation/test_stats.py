import numpy as np
import pytest
from scipy import stats as scipy_stats

from metanas.evaluation.stats import holm, paired_p, rank, two_level_bootstrap

RANDOM = np.random.default_rng(0)


def test_with_one_seed_the_interval_equals_scipys_bootstrap() -> None:
    scores = RANDOM.beta(8, 2, (1, 200))
    ours = two_level_bootstrap(scores)
    theirs = scipy_stats.bootstrap(
        (scores[0],), np.mean, n_resamples=20_000, method="percentile", random_state=1
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1.5e-3)
    assert "one seed, so its variation is not in it" in ours.how


def test_seeds_that_differ_widen_the_interval() -> None:
    scores = RANDOM.normal(0.7, 0.05, (3, 200))
    narrow = two_level_bootstrap(scores)
    wide = two_level_bootstrap(scores + np.array([[-0.1], [0.0], [0.1]]))
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


def test_the_permutation_test_equals_scipys() -> None:
    a = {"t": RANDOM.normal(0.02, 0.1, (1, 60))}
    b = {"t": np.zeros((1, 60))}
    theirs = scipy_stats.permutation_test(
        (a["t"][0], b["t"][0]),
        lambda x, y: np.mean(x - y),
        permutation_type="samples",
        n_resamples=20_000,
        random_state=2,
    )
    assert paired_p(a, b) == pytest.approx(theirs.pvalue, abs=0.015)


def test_the_permutation_test_holds_its_level() -> None:
    draws = [RANDOM.normal(0, 1, (2, 40)) for _ in range(600)]
    small = [paired_p({"t": d}, {"t": np.zeros((2, 40))}, draws=999) < 0.05 for d in draws]
    assert 0.03 <= np.mean(small) <= 0.07


def test_holm_equals_the_textbook_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_ranks_are_ranges_where_the_data_cannot_tell() -> None:
    base = RANDOM.normal(0.5, 0.05, (3, 100))
    found = rank(
        {
            "good": {"t": base + 0.1},
            "same": {"t": base + RANDOM.normal(0, 0.05, (3, 100))},
            "base": {"t": base},
        }
    )
    assert (found[0].name, found[0].first, found[0].last) == ("good", 1, 1)
    assert {(r.first, r.last) for r in found[1:]} == {(2, 3)}
