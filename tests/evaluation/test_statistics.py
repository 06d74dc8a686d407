import numpy as np
import pytest
from scipy import stats as oracle

from metanas.evaluation.statistics import (
    DRAWS,
    Estimate,
    Interval,
    Part,
    bootstrap,
    bootstrap_draws,
    difference,
    estimate,
    seed_interval,
    weights,
)

RANDOM = np.random.default_rng(0)


def test_one_seeds_interval_equals_scipys_t_interval() -> None:
    scores = RANDOM.beta(8, 2, (1, 200))
    found = estimate({"digits/5w1s": scores}).interval()
    theirs = oracle.ttest_1samp(scores[0], 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), rel=1e-12)
    assert "training only once, so not its luck" in found.how


def test_many_seeds_and_one_effect_equal_scipys_t_interval_over_the_seeds() -> None:
    scores = np.repeat(RANDOM.normal(0.7, 0.1, (40, 1)), 50, axis=1)
    found = estimate({"digits/5w1s": scores}).interval()
    theirs = oracle.ttest_1samp(scores[:, 0], 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), rel=1e-9)


def test_the_variance_is_unbiased_in_a_crossed_layout() -> None:
    """Searle et al. (1992): E = var(seed)/S + var(episode)/E + var(rest)/(S E)."""
    found = []
    for _ in range(3000):
        scores = (
            0.03 * RANDOM.normal(size=(5, 1))
            + 0.10 * RANDOM.normal(size=(1, 40))
            + 0.05 * RANDOM.normal(size=(5, 40))
        )
        made = estimate({"digits/5w1s": scores})
        assert made.seeds is not None
        found.append(made.seeds.variance + made.episodes.variance - made.rest)
    truth = 0.03**2 / 5 + 0.10**2 / 40 + 0.05**2 / 200
    assert np.mean(found) == pytest.approx(truth, rel=0.03)


def test_the_p_value_belongs_to_the_interval() -> None:
    for mean in (0.001, 0.02, 0.05):
        made = Estimate(mean, Part(1e-4, 2), Part(2e-4, 99), 1e-5, "")
        p = made.p()
        assert made.interval(1 - p).low == pytest.approx(0, abs=1e-9)
        assert (p < 0.05) == (0 not in made.interval())
    one = Estimate(0.03, None, Part(1e-4, 99), 0.0, "")
    assert one.p() == pytest.approx(2 * oracle.t.sf(3, 99), rel=1e-9)


def test_five_seeds_are_paired_as_scipys_paired_t_test_has_them() -> None:
    """Where only seeds differ, and two methods' seeds are good or bad together."""
    luck = RANDOM.normal(0.7, 0.1, (5, 1))
    a, b = (np.repeat(luck + RANDOM.normal(at, 0.01, (5, 1)), 50, axis=1) for at in (0.02, 0.0))
    made = difference({"digits/5w1s": a}, {"digits/5w1s": b})
    theirs = oracle.ttest_rel(a[:, 0], b[:, 0])
    assert made.p() == pytest.approx(theirs.pvalue, rel=1e-6)
    interval, expected = made.interval(), theirs.confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert made.how.startswith("paired by seed and episode. crossed t interval, 5 seeds")
    draws = bootstrap_draws({"a": {"digits/5w1s": a}, "b": {"digits/5w1s": b}})
    assert (draws[0] - draws[1]).std() < draws[0].std() / 3
    unlike = difference({"digits/5w1s": a}, {"digits/5w1s": np.concatenate([b, b[:1]])})
    assert unlike.variance > 10 * made.variance and unlike.how.startswith("paired by episode.")


def test_a_difference_of_few_seeds_pairs_episodes_alone() -> None:
    hard = RANDOM.normal(0.6, 0.1, (1, 300))  # what episodes share
    a = {"digits/5w1s": hard + RANDOM.normal(0.02, 0.02, (3, 300))}
    b = {"digits/5w1s": hard + RANDOM.normal(0, 0.02, (3, 300))}
    made = difference(a, b)
    unpaired = estimate(a).variance + estimate(b).variance
    assert made.variance < unpaired / 10
    assert made.seeds is not None and 2 <= made.seeds.df <= 4
    assert made.mean == pytest.approx(a["digits/5w1s"].mean() - b["digits/5w1s"].mean())
    swapped = {"digits/5w1s": b["digits/5w1s"][::-1]}
    assert difference(a, swapped).variance == pytest.approx(made.variance)


def test_methods_with_other_tasks_or_episodes_are_named() -> None:
    ten, twenty = np.zeros((2, 10)), np.zeros((2, 20))
    with pytest.raises(ValueError, match="langid/5w1s was answered by one of the two only"):
        difference({"digits/5w1s": ten}, {"digits/5w1s": ten, "langid/5w1s": ten})
    with pytest.raises(ValueError, match="digits/5w1s: 10 episodes against 20"):
        difference({"digits/5w1s": ten}, {"digits/5w1s": twenty})
    with pytest.raises(ValueError, match="an interval needs at least 2 episodes, got 1"):
        estimate({"digits/5w1s": np.zeros((3, 1))})


def test_domains_weigh_the_same_however_many_tasks_they_have() -> None:
    view = {
        name: np.full((1, 2), value) for name, value in {"a/5w1s": 1.0, "a/5w5s": 1.0, "b/5w1s": 0.0}.items()
    }
    assert weights(view) == {"a/5w1s": 0.25, "a/5w5s": 0.25, "b/5w1s": 0.5}
    assert estimate(view).mean == 0.5


def test_with_one_seed_the_bootstrap_equals_scipys() -> None:
    scores = RANDOM.beta(8, 2, (1, 200))
    ours = bootstrap({"digits/5w1s": scores})
    theirs = oracle.bootstrap(
        (scores[0],), np.mean, n_resamples=20_000, method="percentile", random_state=1
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1.5e-3)


def test_the_bootstraps_variance_is_that_of_a_plain_two_level_resampling() -> None:
    scores = RANDOM.normal(0.6, 0.1, (3, 30)) + np.array([[-0.05], [0.0], [0.05]])
    draws = bootstrap_draws({"m": {"digits/5w1s": scores}})[0]
    rows, columns = RANDOM.integers(0, 3, (DRAWS, 3)), RANDOM.integers(0, 30, (DRAWS, 30))
    plain = scores[rows[:, :, None], columns[:, None, :]].mean((1, 2))
    assert draws.std() == pytest.approx(plain.std(), rel=0.03)
    assert draws.mean() == pytest.approx(plain.mean(), abs=2e-3)


def test_tasks_are_resampled_independently() -> None:
    scores = RANDOM.normal(0.6, 0.1, (1, 50))
    one = bootstrap_draws({"m": {"a/5w1s": scores}})[0].std()
    two = bootstrap_draws({"m": {"a/5w1s": scores, "b/5w1s": scores}})[0].std()
    assert two == pytest.approx(one / 2**0.5, rel=0.04)


def test_the_interval_over_seeds_is_scipys_and_needs_two() -> None:
    scores = RANDOM.normal(0.6, 0.1, (4, 50))
    found = seed_interval({"digits/5w1s": scores})
    theirs = oracle.ttest_1samp(scores.mean(1), 0).confidence_interval(0.95)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))
    assert seed_interval({"digits/5w1s": scores[:1]}) is None


def test_an_accuracys_interval_is_written_in_percent_and_cut_where_accuracies_end() -> None:
    assert Interval(0.815, 0.8094, 0.8216, "").percent() == "81.5 [80.9, 82.2]"
    assert Interval(0.9, 0.76, 1.04, "").percent() == "90.0 [76.0, 100.0]"
    assert Interval(0.05, -0.1, 0.2, "").percent() == "5.0 [0.0, 20.0]"
