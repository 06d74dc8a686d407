"""Is one method better than another? Paired tests on the same episodes, and what they mean. No torch.

Three tests stand side by side, and each is corrected over all pairs of a view by Holm's method:
- `p`, on which ranks and verdicts rest, belongs to the interval of `stats.difference`: would the sign of
  the difference survive new trainings and new episodes?
- `p_signs` (sign flips) and `p_wilcoxon` ask less: do these trained models differ on such episodes? They
  know nothing of the seeds' luck, so with few seeds they are smaller.
Comes after stats.py; ranking.py is next.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metanas import counter
from metanas.evaluation.stats import (
    DRAWS,
    Floats,
    Interval,
    View,
    bootstrap_draws,
    difference,
    weights,
)

ROPE = 0.005  # differences within +-0.5 points are of no practical use (Kruschke, 2018)
LEVEL = 0.05
Verdict = Literal["better", "worse", "practically equal", "undecided"]


@dataclass(frozen=True)
class Pair:
    """Method a against method b. p-values are Holm-adjusted over all pairs they were computed with."""

    a: str
    b: str
    difference: Interval  # a - b
    bootstrap: Interval
    p: float
    p_signs: float
    p_wilcoxon: float
    wins: int  # tasks on which a is better by more than the ROPE
    ties: int
    losses: int

    @property
    def verdict(self) -> Verdict:
        """What may be said of a: significantly better or worse, or equal within +-0.5 points, or nothing."""
        if -ROPE <= self.difference.low and self.difference.high <= ROPE:
            return "practically equal"
        if self.p < LEVEL:
            return "better" if self.difference.mean > 0 else "worse"
        return "undecided"


def pairs(views: Mapping[str, View]) -> list[Pair]:
    """Every pair of methods, in the order of the mapping. ValueError if they answered different tasks."""
    names = list(views)
    both = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    if not both:
        return []
    estimates = [difference(views[a], views[b]) for a, b in both]
    signs = holm(sign_flip_p([_gaps(views[a], views[b]) for a, b in both]))
    wilcoxon = holm([wilcoxon_p(_gaps(views[a], views[b])) for a, b in both])
    adjusted = holm([found.p() for found in estimates])
    draws = dict(zip(names, bootstrap_draws(views), strict=True))
    result = []
    for i, (a, b) in enumerate(both):
        low, high = np.percentile(draws[a] - draws[b], [2.5, 97.5])
        beside = Interval(estimates[i].mean, float(low), float(high), "paired bootstrap over seeds, episodes")
        means = np.array([gap.mean() for gap in _gaps(views[a], views[b]).values()])
        wins, losses = int((means > ROPE).sum()), int((means < -ROPE).sum())
        counts = (wins, len(means) - wins - losses, losses)
        interval = estimates[i].interval()
        result.append(Pair(a, b, interval, beside, adjusted[i], signs[i], wilcoxon[i], *counts))
    return result


def sign_flip_p(gaps: Sequence[Mapping[str, Floats]]) -> list[float]:
    """Two-sided sign-flip permutation p-values of weighted mean differences (Fisher, 1935), one per pair.

    gaps: per task the differences (E,) of the episodes' means over seeds; all pairs have the same tasks.
    The signs of an episode's differences are flipped together in all pairs. At least 1 / (DRAWS + 1).
    """
    share = weights(gaps[0])
    observed, flipped = np.zeros(len(gaps)), np.zeros((DRAWS, len(gaps)))
    for task in gaps[0]:
        matrix = np.stack([gap[task] for gap in gaps], axis=1)  # (E, pairs)
        observed += share[task] * matrix.mean(0)
        found = _signs(len(matrix)) @ matrix.astype(np.float32)
        flipped += share[task] / len(matrix) * found[_order(task)]
    extreme = (np.abs(flipped) >= np.abs(observed) - 1e-7).sum(0)
    return [float(p) for p in (extreme + 1) / (DRAWS + 1)]


def wilcoxon_p(gaps: Mapping[str, Floats]) -> float:
    """Wilcoxon's (1945) signed-rank test over the episodes of all tasks; equal scores are left out."""
    values = np.concatenate(list(gaps.values()))
    if not (np.abs(values) > 1e-12).any():
        return 1.0
    from scipy import stats as distributions  # half a second to import; a server needs none of it

    tied = len(np.unique(np.abs(values))) < len(values) or bool((values == 0).any())
    # where there are ties scipy approximates, but for 13 values or fewer it would permute, for a second
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


@cache
def _signs(size: int) -> NDArray[np.float32]:
    """Random signs (DRAWS, size), 32 from every random number."""
    words = counter.words(counter.key("signs", size), np.arange(DRAWS), -(-size // 32))
    bits = np.unpackbits(words.astype("<u4").view(np.uint8), axis=1)[:, :size]
    return bits.astype(np.float32) * 2 - 1


def _order(task: str) -> NDArray[np.int64]:
    """Another order of the same draws for each task."""
    bits = counter.words(counter.key("signs order", task), np.arange(DRAWS), 1)[:, 0]
    return np.argsort(bits, kind="stable")
