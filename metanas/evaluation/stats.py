"""Intervals and paired tests on per-episode scores. No torch.

Every method answers the same pinned episodes, so methods are compared episode by episode. Scores come as
arrays (S seeds, E episodes); a view is a mapping task -> such an array. Random draws come from a
counter-based stream, so a page made twice shows the same digits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from metanas import counter

Floats = NDArray[np.float64]
DRAWS = 10_000


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval, in the units of the scores; `how` says what was resampled."""

    mean: float
    low: float
    high: float
    how: str


def two_level_bootstrap(scores: Floats, draws: int = DRAWS) -> Interval:
    """Percentile bootstrap over seeds and, crossed with them, episodes (Owen, 2007, the pigeonhole
    bootstrap). scores: (S, E). With one seed only episodes vary, and `how` says so.
    """
    seeds, episodes = scores.shape
    rows = _counts("seeds", draws, seeds)
    columns = _counts("episodes", draws, episodes)
    means = np.einsum("ds,se,de->d", rows, scores, columns, optimize=True) / (seeds * episodes)
    low, high = np.percentile(means, [2.5, 97.5])
    how = (
        f"bootstrap over {seeds} seeds x {episodes} episodes"
        if seeds > 1
        else (f"bootstrap over {episodes} episodes; one seed, so its variation is not in it")
    )
    return Interval(float(scores.mean()), float(low), float(high), how)


def mean_interval(tasks: Mapping[str, Floats], draws: int = DRAWS) -> Interval:
    """The mean over tasks with equal weight; tasks are fixed, seeds are resampled for all together."""
    parts = []
    for scores in tasks.values():
        seeds, episodes = scores.shape
        rows, columns = _counts("seeds", draws, seeds), _counts("episodes", draws, episodes)
        parts.append(np.einsum("ds,se,de->d", rows, scores, columns, optimize=True) / (seeds * episodes))
    low, high = np.percentile(np.mean(parts, axis=0), [2.5, 97.5])
    mean = float(np.mean([scores.mean() for scores in tasks.values()]))
    return Interval(mean, float(low), float(high), f"bootstrap, {len(tasks)} tasks of equal weight")


def paired_p(a: Mapping[str, Floats], b: Mapping[str, Floats], draws: int = DRAWS) -> float:
    """Two-sided sign-flip permutation p-value of the mean difference over tasks (Fisher, 1935).

    The difference of an episode, averaged over seeds, is exchangeable in sign if the methods are equal.
    Smallest possible value 1 / (draws + 1).
    """
    observed, flipped = 0.0, np.zeros(draws)
    for name in a:
        difference = a[name].mean(0) - b[name].mean(0)
        weight = 1 / (len(difference) * len(a))
        observed += float(difference.sum()) * weight
        flipped += _signs(name, draws, len(difference)) @ difference * weight
    extreme = int((np.abs(flipped) >= abs(observed) - 1e-12).sum())
    return (extreme + 1) / (draws + 1)


def holm(p: Sequence[float]) -> list[float]:
    """Holm's (1979) adjusted p-values, in the given order."""
    order = np.argsort(p, kind="stable")
    steps = np.asarray(p)[order] * np.arange(len(p), 0, -1)
    adjusted = np.minimum(np.maximum.accumulate(steps), 1.0)
    result = np.empty(len(p))
    result[order] = adjusted
    return [float(value) for value in result]


@dataclass(frozen=True)
class Ranked:
    """A method's place in a view: its mean, and the ranks it may have at a family-wise 5 %."""

    name: str
    mean: Interval
    first: int  # 1 + number of methods significantly better
    last: int  # number of methods that are not significantly worse


def rank(methods: Mapping[str, Mapping[str, Floats]], level: float = 0.05) -> list[Ranked]:
    """Methods by mean, best first, with rank ranges from Holm-adjusted paired tests over all pairs."""
    names = sorted(methods)
    pairs = [(x, y) for i, x in enumerate(names) for y in names[i + 1 :]]
    adjusted = holm([paired_p(methods[x], methods[y]) for x, y in pairs])
    means = {name: mean_interval(methods[name]) for name in names}
    better: dict[str, set[str]] = {name: set() for name in names}  # significantly better than name
    for (x, y), p in zip(pairs, adjusted, strict=True):
        if p < level:
            worse, best = (x, y) if means[x].mean < means[y].mean else (y, x)
            better[worse].add(best)
    ranked = [
        Ranked(
            name,
            means[name],
            1 + len(better[name]),
            len(names) - sum(name in others for others in better.values()),
        )
        for name in names
    ]
    return sorted(ranked, key=lambda r: (-r.mean.mean, r.name))


@cache
def _counts(purpose: str, draws: int, size: int) -> Floats:
    """How often each of `size` units is drawn in each of `draws` resamples: (draws, size)."""
    bits = counter.words(counter.key("bootstrap", purpose, size), np.arange(draws), size)
    picked = counter.below(size, bits) + size * np.arange(draws)[:, None]
    return np.bincount(picked.ravel(), minlength=draws * size).reshape(draws, size).astype(np.float64)


@cache
def _signs(purpose: str, draws: int, size: int) -> Floats:
    """Random signs (draws, size)."""
    bits = counter.words(counter.key("signs", purpose, size), np.arange(draws), size)
    return np.where(bits >> np.uint32(31) == 1, 1.0, -1.0)
