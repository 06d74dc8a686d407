import numpy as np
import pytest
from scipy import stats as oracle

from metanas.evaluation.compare import compare
from metanas.evaluation.paired import Pair, holm, pairs, sign_flip_p, wilcoxon_p
from metanas.evaluation.statistics import Interval

RANDOM = np.random.default_rng(0)


def test_the_permutation_test_equals_scipys() -> None:
    gap = RANDOM.normal(0.02, 0.1, 60)
    theirs = oracle.permutation_test(
        (gap, np.zeros(60)),
        lambda x, y: np.mean(x - y),
        permutation_type="samples",
        n_resamples=20_000,
        random_state=2,
    )
    assert sign_flip_p([{"t": gap}])[0] == pytest.approx(theirs.pvalue, abs=0.015)


def test_tasks_flip_independently() -> None:
    gap = RANDOM.normal(0.02, 0.1, 60)
    joined = np.concatenate([gap, gap])
    expected = oracle.permutation_test(
        (joined, np.zeros(120)),
        lambda x, y: np.mean(x - y),
        permutation_type="samples",
        n_resamples=20_000,
        random_state=2,
    )
    assert sign_flip_p([{"a/x": gap, "b/x": gap}])[0] == pytest.approx(expected.pvalue, abs=0.015)


def test_wilcoxon_is_scipys_over_all_tasks_and_1_for_equal_methods() -> None:
    gap = RANDOM.normal(0.02, 0.1, 60)
    assert wilcoxon_p({"a": gap[:30], "b": gap[30:]}) == oracle.wilcoxon(gap).pvalue
    assert wilcoxon_p({"a": np.zeros(10)}) == 1.0
    tied = np.array([0.0, 0.1, 0.1, -0.1, 0.2, 0.2, 0.3, -0.2])
    assert wilcoxon_p({"a": tied}) == oracle.wilcoxon(tied, method="asymptotic").pvalue


def test_holm_equals_the_textbook_example_and_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    p = list(RANDOM.uniform(0, 0.2, 20))
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


@pytest.mark.parametrize(
    ("low", "high", "p", "verdict"),
    [
        (0.01, 0.03, 0.01, "better"),
        (-0.03, -0.01, 0.01, "worse"),
        (0.001, 0.004, 0.01, "practically equal"),
        (-0.02, 0.03, 0.6, "not significant"),
        (0.001, 0.03, 0.07, "not significant"),  # Holm has the last word
    ],
)
def test_a_verdict_says_what_the_interval_and_the_test_allow(
    low: float, high: float, p: float, verdict: str
) -> None:
    interval = Interval((low + high) / 2, low, high, "")
    assert Pair("a", "b", interval, interval, p, p, p, 1, 0, 0).verdict == verdict


def test_wins_ties_and_losses_count_tasks_beyond_half_a_point() -> None:
    a = {f"{d}/5w1s": np.full((1, 4), v) for d, v in {"w": 0.7, "t": 0.604, "l": 0.5}.items()}
    b = {task: np.full((1, 4), 0.6) for task in a}
    found = pairs({"a": a, "b": b})[0]
    assert (found.wins, found.ties, found.losses) == (1, 1, 1)


def test_a_comparison_is_the_same_whatever_the_order_of_the_methods() -> None:
    views = {name: {"t/5w1s": RANDOM.normal(0.6, 0.1, (3, 40))} for name in "abc"}
    one, other = compare(views), compare(dict(reversed(views.items())))
    assert one.methods == other.methods
    assert one.pair("a", "c").difference.mean == -other.pair("a", "c").difference.mean
