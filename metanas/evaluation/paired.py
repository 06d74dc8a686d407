"""Paired tests of two methods on the same episodes, and the verdict on their difference. No torch.

Three tests, each corrected by Holm's method over all pairs of a view:
- `p`, on which ranks and verdicts rest, belongs to the interval of `statistics.difference`: would the sign of
  the difference survive new meta-trainings and new episodes?
- `p_signs` (sign flips) and `p_wilcoxon` ask less: do these trained models differ on such episodes? They
  ignore the variance between seeds, so with few seeds they are smaller.
Comes after `statistics.py`; `ranking.py` is next.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metanas.base import philox
from metanas.evaluation.statistics import (
    DRAWS,
    KEPT,
    Floats,
    Interval,
    View,
    bootstrap_draws,
    difference,
    weights,
)

ROPE = 0.005  # region of practical equivalence: +-0.5 points of accuracy (Kruschke, 2018)
LEVEL = 0.05  # of significance
Verdict = Literal["better", "worse", "practically equal", "not significant"]


@dataclass(frozen=True)
class Pair:
    """Method a against method b. p-values are Holm-adjusted over all pairs of the same call."""

    a: str
    b: str
    difference: Interval  # a - b
    bootstrap: Interval  # of the same difference
    p: float
    p_signs: float
    p_wilcoxon: float
    wins: int  # tasks on which a is better by more than the ROPE
    ties: int
    losses: int

    @property
    def verdict(self) -> Verdict:
        """Whether a is significantly better or worse, or equal within the ROPE; else not significant."""
        if -ROPE <= self.difference.low and self.difference.high <= ROPE:
            return "practically equal"
        if self.p < LEVEL:
            return "better" if self.difference.mean > 0 else "worse"
        return "not significant"


def pairs(views: Mapping[str, View]) -> list[Pair]:
    """Every pair of methods, in the order of the mapping. InvalidValue if tasks or episodes differ."""
    names = list(views)
    combinations = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    if not combinations:
        return []
    estimates = [difference(views[a], views[b]) for a, b in combinations]
    gaps = [_gaps(views[a], views[b]) for a, b in combinations]
    signs, wilcoxon = holm(sign_flip_p(gaps)), holm([wilcoxon_p(gap) for gap in gaps])
    adjusted = holm([estimate.p() for estimate in estimates])
    draws = dict(zip(names, bootstrap_draws(views), strict=True))
    result = []
    for i, (a, b) in enumerate(combinations):
        low, high = np.percentile(draws[a] - draws[b], [2.5, 97.5])
        bootstrap = Interval(
            estimates[i].mean, float(low), float(high), "paired bootstrap over seeds, episodes"
        )
        means = np.array([gap.mean() for gap in gaps[i].values()])
        wins, losses = int((means > ROPE).sum()), int((means < -ROPE).sum())
        counts = (wins, len(means) - wins - losses, losses)
        interval = estimates[i].interval()
        result.append(Pair(a, b, interval, bootstrap, adjusted[i], signs[i], wilcoxon[i], *counts))
    return result


def sign_flip_p(gaps: Sequence[Mapping[str, Floats]]) -> list[float]:
    """Two-sided sign-flip permutation p-values of weighted mean differences (Fisher, 1935), one per pair.

    gaps: per pair the differences (E,) of the episodes' means over seeds, by task; all pairs must have the
    same tasks. The signs of an episode's differences are flipped together in all pairs. A p-value is at least
    1 / (DRAWS + 1).
    """
    share = weights(gaps[0])
    observed, flipped = np.zeros(len(gaps)), np.zeros((DRAWS, len(gaps)))
    for task in gaps[0]:
        matrix = np.stack([gap[task] for gap in gaps], axis=1)  # (E, pairs)
        observed += share[task] * matrix.mean(0)
        sums = _signs(len(matrix)) @ matrix.astype(np.float32)
        flipped += share[task] / len(matrix) * sums[_order(task)]
    extreme = (np.abs(flipped) >= np.abs(observed) - 1e-7).sum(0)
    return [float(p) for p in (extreme + 1) / (DRAWS + 1)]


def wilcoxon_p(gaps: Mapping[str, Floats]) -> float:
    """p-value of Wilcoxon's (1945) signed-rank test over the episodes of all tasks, ties left out.

    gaps: differences (E,) by task.
    """
    values = np.concatenate(list(gaps.values()))
    if not (np.abs(values) > 1e-12).any():
        return 1.0
    from scipy import stats as distributions  # half a second to import, and a server never calls this

    tied = len(np.unique(np.abs(values))) < len(values) or bool((values == 0).any())
    # with ties scipy approximates, but for 13 values or fewer it would permute, which takes a second
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(distributions.wilcoxon(values, method="asymptotic" if tied else "auto").pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """Holm's (1979) adjusted p-values, in the given order."""
    order = np.argsort(p, kind="stable")
    steps = np.asarray(p)[order] * np.arange(len(p), 0, -1)
    adjusted = np.minimum(np.maximum.accumulate(steps), 1.0)
    result = np.empty(len(p))
    result[order] = adjusted
    return [float(value) for value in result]


def _gaps(a: View, b: View) -> dict[str, Floats]:
    """Differences of episodes, averaged over seeds: (E,) per task."""
    return {task: a[task].mean(0) - b[task].mean(0) for task in a}


@lru_cache(maxsize=KEPT)
def _signs(size: int) -> NDArray[np.float32]:
    """Random signs +-1 (DRAWS, size), 32 from every random number."""
    words = philox.words(philox.key("signs", size), np.arange(DRAWS), -(-size // 32))
    bits = np.unpackbits(words.astype("<u4").view(np.uint8), axis=1)[:, :size]
    return bits.astype(np.float32) * 2 - 1


@lru_cache(maxsize=KEPT)
def _order(task: str) -> NDArray[np.int64]:
    """A fixed random order of the DRAWS resamples, different for each task."""
    bits = philox.words(philox.key("signs order", task), np.arange(DRAWS), 1)[:, 0]
    return np.argsort(bits, kind="stable")
