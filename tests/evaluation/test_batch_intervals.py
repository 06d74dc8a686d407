"""The fast way for a thousand methods says the same as one method or pair at a time."""

import numpy as np
import pytest

from metanas.evaluation.batch_intervals import (
    Spread,
    differences_from,
    intervals,
    parts_of,
    spread_of_differences,
    squared_critical,
)
from metanas.evaluation.ranking import rank
from metanas.evaluation.statistics import View, difference, estimate


def study(methods: int, seeds: int, spread: float, number: int) -> dict[str, View]:
    random = np.random.default_rng(number)
    episode = {f"{d}/5w{s}s": random.normal(0, 0.1, 40) for d in "ab" for s in (1, 5)}
    found: dict[str, View] = {}
    for i in range(methods):
        skill = 0.5 + spread * i + random.normal(0, 0.01, seeds)[:, None]
        found[f"m{i}"] = {t: skill + e + random.normal(0, 0.05, (seeds, 40)) for t, e in episode.items()}
    return found


def assert_as_one_pair_at_a_time(views: dict[str, View]) -> None:
    names, parts = list(views), parts_of(views)
    first, second = np.triu_indices(len(names), 1)
    spread = Spread(*(all_[first, second] for all_ in spread_of_differences(parts, np.arange(len(names)))))
    expected = [difference(views[names[i]], views[names[j]]) for i, j in zip(first, second, strict=True)]
    assert spread.variance == pytest.approx([e.variance for e in expected])
    assert parts.mean[first] - parts.mean[second] == pytest.approx([e.mean for e in expected])
    for alpha in (0.05, 1e-5):
        critical = np.sqrt(squared_critical(spread, alpha))
        assert critical == pytest.approx([e.critical(alpha) for e in expected])


@pytest.mark.parametrize(
    ("seeds", "spread"), [(1, 0.004), (3, 0.004), (3, 0.02), (5, 0.0), (5, 0.004), (6, 0.02)]
)
def test_differences_equal_those_of_one_pair_at_a_time(seeds: int, spread: float) -> None:
    assert_as_one_pair_at_a_time(study(12, seeds, spread, 0))


def test_methods_trained_once_and_often_can_share_a_view() -> None:
    assert_as_one_pair_at_a_time(
        study(6, 3, 0.02, 1) | {f"once{k}": v for k, v in study(6, 1, 0.02, 2).items()}
    )


def test_differences_from_one_method_equal_those_of_one_pair_at_a_time() -> None:
    for views in (
        study(7, 3, 0.004, 3),
        study(7, 1, 0.004, 4),
        study(4, 5, 0.01, 5) | {f"six{k}": v for k, v in study(3, 6, 0.02, 6).items()},
        study(4, 5, 0.01, 7) | {f"once{k}": v for k, v in study(3, 1, 0.02, 8).items()},
    ):
        for control in views:
            gap, spread = differences_from(views, control)
            expected = [difference(view, views[control]) for view in views.values()]
            assert gap == pytest.approx([e.mean for e in expected], abs=1e-15)
            assert spread.variance == pytest.approx([e.variance for e in expected], abs=1e-18)
            critical = dict(zip(views, np.sqrt(squared_critical(spread, 0.05)), strict=True))
            alone = {n: e.critical(0.05) for n, e in zip(views, expected, strict=True) if n != control}
            assert {name: critical[name] for name in alone} == pytest.approx(alone)


def test_means_weigh_domains_alike() -> None:
    views = {
        "m": {"a/5w1s": np.full((1, 4), 0.2), "a/5w5s": np.full((1, 4), 0.4), "b/5w1s": np.full((1, 4), 0.9)}
    }
    assert intervals(views)[0].mean == pytest.approx((0.3 + 0.9) / 2)


def test_the_ranks_of_a_thousand_methods_say_something() -> None:
    ranking = rank(study(1000, 5, 0.0005, 0))
    best, worst = ranking.methods[0], ranking.methods[-1]
    assert best.first == 1 and best.last < 250 < 750 < worst.first, "half an accuracy lies between"
    assert not worst.best


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_its_intervals_are_those_of_one_method(seeds: int) -> None:
    views = study(9, seeds, 0.01, 3) | {f"once{k}": v for k, v in study(2, 1, 0.02, 2).items()}
    for view, found in zip(views.values(), intervals(views), strict=True):
        expected = estimate(view).interval()
        assert (found.mean, found.low, found.high) == pytest.approx(
            (expected.mean, expected.low, expected.high), abs=1e-12
        )
        assert found.how == expected.how


def test_one_method_has_an_interval_too() -> None:
    view = study(1, 3, 0.0, 0)["m0"]
    assert intervals({"a": view})[0].low == pytest.approx(estimate(view).interval().low, abs=1e-12)
