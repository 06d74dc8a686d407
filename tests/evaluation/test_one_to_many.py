"""Comparisons of one method with all others; long simulations: tests/benchmarks/bench_comparisons.py."""

from itertools import combinations

import numpy as np
import pytest
from scipy.special import ndtri

from metanas.base.errors import InvalidValue
from metanas.evaluation.compare import compare
from metanas.evaluation.families import families
from metanas.evaluation.one_to_many import OneToMany, tail, with_baseline
from metanas.evaluation.paired import LEVEL
from metanas.evaluation.ranking import rank
from metanas.evaluation.statistics import View, difference
from tests.benchmarks.bench_comparisons import Setting, simulate, study

DUNNETT = {  # bounds of k comparisons with a control, infinite degrees of freedom (Dunnett, 1955 and 1964)
    1: [1.64, 1.92, 2.06, 2.16, 2.23, 2.29, 2.34, 2.38, 2.42],
    2: [1.96, 2.21, 2.35, 2.44, 2.51, 2.57, 2.61, 2.65, 2.69],
}


@pytest.mark.parametrize("sides", [1, 2])
def test_bounds_equal_dunnetts_tables(sides: int) -> None:
    found = [-ndtri(tail(np.array([0.5]), k, 0.05, sides=sides)[0]) for k in range(1, 10)]
    assert found == pytest.approx(DUNNETT[sides], abs=0.006)


def test_uncorrelated_comparisons_are_corrected_as_by_sidak() -> None:
    found = tail(np.zeros(1), 7, 0.05, sides=2)[0]
    assert 2 * found == pytest.approx(1 - 0.95 ** (1 / 7), rel=1e-4)


@pytest.mark.parametrize("setting", [Setting(5, 1, 0.0, 0.0), Setting(5, 5, 0.02, 0.05)])
def test_intervals_cover_and_the_best_is_kept_in_simulated_studies(setting: Setting) -> None:
    """500 studies tell 95 % to +-2 points; the benchmark's 4,000 to +-0.7."""
    found = simulate(setting, 500)
    assert 0.93 <= found.baseline <= 0.98 and 0.93 <= found.best <= 0.98
    assert found.rank_error <= 0.07 and found.best_error <= 0.07
    assert 0.65 <= found.power <= 0.9


def test_an_interval_with_a_baseline_excludes_0_where_its_p_is_small() -> None:
    views = study(np.random.default_rng(1), Setting(8, 5, 0.01, 0.05), (0.1, 0.06, 0.01))
    found = with_baseline(views, "m7", LEVEL)
    assert {a.name for a in found} == {f"m{i}" for i in range(7)}
    assert {a.p < LEVEL for a in found} == {True, False}
    for against in found:
        alone = difference(views[against.name], views["m7"])
        assert against.difference.mean == pytest.approx(alone.mean)
        assert against.difference.low < alone.interval().low, "corrected, so wider than alone"
        assert (0 not in against.difference) == (against.p < LEVEL)


@pytest.mark.parametrize("seeds", [(3,), (5,), (1, 5), (2, 10)])
def test_comparing_with_a_baseline_equals_its_row_of_all_comparisons(seeds: tuple[int, ...]) -> None:
    rng = np.random.default_rng(4)
    views: dict[str, View] = {
        f"m{i}": {"t 1-shot": _scores(rng, int(rng.choice(seeds)), i)} for i in range(20)
    }
    compared = OneToMany(views)
    half, p = compared.margin(LEVEL, sides=2)[7], compared.p(7)
    known = with_baseline(views, "m7", LEVEL, float(compared.correlation[7]))
    assert known == with_baseline(views, "m7", LEVEL)
    for against in known:
        i, interval = compared.names.index(against.name), against.difference
        assert interval.mean == pytest.approx(-compared.gap[7, i], abs=1e-15)
        assert (interval.high - interval.low) / 2 == pytest.approx(half[i])
        assert against.p == pytest.approx(p[i], abs=1e-7)
        assert interval.how.startswith(difference(views[against.name], views["m7"]).how)


def test_an_unknown_baseline_is_named_with_those_there_are() -> None:
    with pytest.raises(InvalidValue, match="no method 'x' to compare with; there is m0, m1"):
        compare(study(np.random.default_rng(2), Setting(2, 3, 0.0, 0.0), ()), baseline="x")


def test_a_clear_winner_is_the_only_one_that_may_be_the_best() -> None:
    ranked = rank(study(np.random.default_rng(3), Setting(4, 5, 0.005, 0.0), (0.3,))).methods
    assert [place.best for place in ranked] == [True, False, False, False]
    assert [place.verdict for place in ranked] == ["may be the best, alone", *["not the best"] * 3]
    assert ranked[0].to_best.low == 0 < ranked[0].to_best.mean < ranked[0].to_best.high
    assert all(place.to_best.low < place.to_best.mean < place.to_best.high == 0 for place in ranked[1:])


def test_one_method_alone_is_the_best_and_nothing_is_told() -> None:
    ranking = rank(study(np.random.default_rng(4), Setting(1, 3, 0.0, 0.0), ()))
    (only,) = ranking.methods
    assert (only.ranks, only.best, only.to_best.mean, only.to_best.high) == ("1", True, 0.0, 0.0)
    assert only.verdict == "may be the best"
    assert ranking.resolution is None and ranking.lead is None


def test_the_lead_is_significant_where_the_ranks_say_so() -> None:
    for gap in (0.0, 0.3):
        views = study(np.random.default_rng(3), Setting(4, 5, 0.005, 0.0), (gap,))
        ranking = rank(views)
        first, second = ranking.methods[:2]
        lead = ranking.lead
        assert lead is not None and (lead.leader, lead.runner_up) == (first.name, second.name)
        assert lead.difference.mean == pytest.approx(first.mean.mean - second.mean.mean)
        assert lead.significant == (lead.difference.low > 0) == (lead.p < LEVEL)
        assert lead.significant == (first.last == 1) == (gap > 0)


def test_near_copies_count_once_whichever_seed_is_called_which() -> None:
    views = study(np.random.default_rng(5), Setting(5, 5, 0.005, 0.0), (0.3, 0.2, 0.1))
    expected = {place.name: (place.ranks, place.to_best) for place in rank(views).methods}
    random, near = np.random.default_rng(0), dict[str, View]()
    for i in range(30):
        scores = views["m0"]["a/5w1s"][random.permutation(5)]
        near[f"copy{i}"] = {"a/5w1s": scores + random.normal(0, 0.005, scores.shape)}
    crowded = views | near
    found = {place.name: place for place in rank(crowded).methods}
    assert set(families(crowded).values()) == set(views)
    assert {name: (found[name].ranks, found[name].to_best) for name in views} == expected
    assert all(found[name].family == "m0" and found[name].ranks == "1" for name in near)


def test_rows_that_leave_seeds_out_or_spoil_an_answer_of_75_are_the_same_family() -> None:
    views = study(np.random.default_rng(5), Setting(5, 5, 0.005, 0.0), (0.3, 0.2, 0.1))
    expected = {place.name: (place.ranks, place.to_best) for place in rank(views).methods}
    scores = views["m0"]["a/5w1s"]
    less = {
        f"{seeds}": {"a/5w1s": scores[list(seeds)]} for n in (3, 4) for seeds in combinations(range(5), n)
    }
    worse = {f"worse{i}": {"a/5w1s": scores - i / 75} for i in (1, 2)}
    crowded: dict[str, View] = views | less | worse  # type: ignore[assignment]
    found = {place.name: place for place in rank(crowded).methods}
    assert {name: (found[name].ranks, found[name].to_best) for name in views} == expected
    assert {found[name].family for name in (*less, *worse)} == {"m0"}


@pytest.mark.parametrize(("first", "second"), [(0.975, 0.965), (0.995, 0.975), (0.99, 0.99)])
def test_different_trainings_are_different_however_often_they_are_right(first: float, second: float) -> None:
    random = np.random.default_rng(0)
    right = {name: random.binomial(75, p, (3, 100)) / 75 for name, p in (("a", first), ("b", second))}
    views: dict[str, View] = {name: {"x/5w1s": scores} for name, scores in right.items()}
    assert families(views | {"copy": views["a"]}) == {"a": "a", "b": "b", "copy": "a"}


def test_a_copy_is_one_whatever_the_order_of_its_tasks() -> None:
    random = np.random.default_rng(0)
    view = {task: random.uniform(0.3, 0.9, (3, 50)) for task in ("a/5w1s", "b/5w1s")}
    assert families({"one": view, "other": dict(reversed(view.items()))})["other"] == "one"


def test_two_of_five_trainings_in_common_do_not_make_a_family_and_three_do() -> None:
    views = study(np.random.default_rng(6), Setting(2, 5, 0.0, 0.0), ())
    first, second = (view["a/5w1s"] for view in views.values())
    for common, name in ((2, "mixed"), (3, "m0")):
        mixed: View = {"a/5w1s": np.concatenate([first[:common], second[common:] + 0.1])}
        assert families(views | {"mixed": mixed})["mixed"] == name


def test_two_trainings_of_one_method_are_two_families() -> None:
    views = study(np.random.default_rng(6), Setting(4, 5, 0.0, 0.0), ())
    assert families(views) == {name: name for name in views}


def test_more_seeds_would_tell_smaller_differences_and_one_seed_does_not_say() -> None:
    few = rank(study(np.random.default_rng(1), Setting(6, 5, 0.02, 0.0), ())).resolution
    many = rank(study(np.random.default_rng(1), Setting(6, 10, 0.02, 0.0), ())).resolution
    once = rank(study(np.random.default_rng(7), Setting(6, 1, 0.0, 0.0), ())).resolution
    assert few is not None and many is not None and once is not None
    assert few.doubled is not None and few.now > few.doubled == pytest.approx(many.now, rel=0.35)
    assert (few.seeds, once.seeds, once.doubled) == (5, 1, None)


def test_methods_that_do_not_vary_are_compared_without_a_division_by_0() -> None:
    constant: dict[str, View] = {
        name: {"a/5w1s": np.full((5, 60), 0.2 + i / 10)} for i, name in enumerate("abc")
    }
    compared = OneToMany(constant | study(np.random.default_rng(8), Setting(2, 5, 0.01, 0.0), ()))
    assert np.isfinite(compared.correlation).all()
    first, last = compared.ranks(LEVEL)
    assert first.tolist()[:3] == [5, 4, 3] and last.tolist()[:3] == [5, 4, 3]


@pytest.mark.parametrize("seeds", [(3,), (1, 5), (2, 10)])
def test_what_is_tabulated_first_decides_as_every_comparison_computed(seeds: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)
    views = {f"m{i}": {"t 1-shot": _scores(rng, int(rng.choice(seeds)), i)} for i in range(60)}
    compared = OneToMany(views)
    two, one = compared.margin(LEVEL, sides=2), compared.margin(LEVEL, sides=1)
    first, last = compared.ranks(LEVEL)
    assert (first == 1 + (compared.gap < -two).sum(1)).all()
    assert (last == len(views) - (compared.gap > two).sum(1)).all()
    low, high, best = compared.to_best(LEVEL)
    furthest = (compared.gap + one).min(1)
    assert (high == np.maximum(furthest, 0)).all() and 0 < best.sum() < len(views)
    others = best & ~np.eye(len(best), dtype=bool)
    assert (low == np.minimum(np.where(others, compared.gap - one.T, 0.0).min(1), 0)).all()


def _scores(rng: np.random.Generator, seeds: int, number: int) -> np.ndarray:
    mean = 0.4 + 0.003 * number + rng.normal(0, 0.01, (seeds, 1))
    return rng.binomial(75, np.clip(mean, 0, 1) * np.ones((seeds, 40))) / 75
