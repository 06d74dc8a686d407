"""The fast way to rank ranges for a thousand methods says the same as the pairwise one."""

import time

import numpy as np
import pytest

from metanas.evaluation.batch_intervals import intervals, significantly_better
from metanas.evaluation.paired import LEVEL, holm
from metanas.evaluation.statistics import View, difference, estimate


def study(methods: int, seeds: int, spread: float, number: int) -> dict[str, View]:
    random = np.random.default_rng(number)
    episode = {f"{d}/5w{s}s": random.normal(0, 0.1, 40) for d in "ab" for s in (1, 5)}
    found: dict[str, View] = {}
    for i in range(methods):
        skill = 0.5 + spread * i + random.normal(0, 0.01, seeds)[:, None]
        found[f"m{i}"] = {t: skill + e + random.normal(0, 0.05, (seeds, 40)) for t, e in episode.items()}
    return found


def one_by_one(views: dict[str, View]) -> np.ndarray:
    names = list(views)
    both = [(i, j) for i in range(len(names)) for j in range(i + 1, len(names))]
    found = [difference(views[names[i]], views[names[j]]) for i, j in both]
    better = np.zeros((len(names), len(names)), bool)
    for (i, j), gap, p in zip(both, found, holm([gap.p() for gap in found]), strict=True):
        if p < LEVEL:
            better[(i, j) if gap.mean < 0 else (j, i)] = True
    return better


@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize(
    ("seeds", "spread"), [(1, 0.004), (3, 0.004), (3, 0.02), (5, 0.0), (5, 0.004), (6, 0.02)]
)
def test_it_equals_holm_over_every_pair(seeds: int, spread: float, number: int) -> None:
    views = study(12, seeds, spread, number)
    assert (significantly_better(views, LEVEL) == one_by_one(views)).all()


def test_methods_trained_once_and_often_can_share_a_view() -> None:
    views = study(6, 3, 0.02, 1) | {f"once{k}": v for k, v in study(6, 1, 0.02, 2).items()}
    assert (significantly_better(views, LEVEL) == one_by_one(views)).all()


def test_twins_are_never_told_apart() -> None:
    view = study(1, 3, 0.0, 0)["m0"]
    assert not significantly_better({"a": view, "b": dict(view)}, LEVEL).any()


def test_means_weigh_domains_alike() -> None:
    views = {
        "m": {"a/5w1s": np.full((1, 4), 0.2), "a/5w5s": np.full((1, 4), 0.4), "b/5w1s": np.full((1, 4), 0.9)}
    }
    assert intervals(views)[0].mean == pytest.approx((0.3 + 0.9) / 2)


def test_a_thousand_methods_take_seconds() -> None:
    views = study(1000, 1, 0.0005, 0)
    start = time.perf_counter()
    better = significantly_better(views, LEVEL)
    assert time.perf_counter() - start < 10
    assert better[0, -1], "the last is by far better than the first"


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
    assert not significantly_better({"a": view}, LEVEL).any()
    assert intervals({"a": view})[0].low == pytest.approx(estimate(view).interval().low, abs=1e-12)
