"""Intervals and pairwise significance of many methods at once, for a leaderboard with a thousand. No torch.

The numbers of `statistics.estimate`, `Estimate.p` and `paired.holm`, computed over arrays of methods. The
variances of all differences come from one matrix product per task. Holm's (1979) step-down compares
differences in standard errors with a critical value instead of computing half a million p-values: with R
rejections so far, all pairs with p < level / (pairs - R) are rejected too, until nothing changes. Tests hold
the results equal to those of one pair at a time.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from metanas.evaluation.statistics import PAIRED_SEEDS, Floats, Interval, View, describe, weights

Ints = NDArray[np.intp]
GRID = np.geomspace(0.5, 1e7, 4_000)  # degrees of freedom at which quantiles are tabulated


class _Parts(NamedTuple):
    """`statistics.Estimate` of M methods as arrays, and their episodes' means.

    mean, seeds_df: (M,). seeds, rest: (M, M), on the diagonal a method's own variance (seeds: nan with one
    seed), elsewhere the covariance of two methods, 0 where their seeds are not paired.
    """

    mean: Floats
    seeds: Floats
    seeds_df: Floats
    rest: Floats
    episodes: Mapping[str, Floats]  # task -> (M, E)

    def of_differences(self, part: Floats, first: Ints, second: Ints) -> Floats:
        """That part of the variance of first - second: (P,) for indices (P,) of methods."""
        own = np.diag(part)
        variance: Floats = own[first] + own[second] - 2 * part[first, second]
        return np.where(np.isnan(variance), variance, variance.clip(0))


class _Spread(NamedTuple):
    """Variances of P means or differences, and what decides their critical values; all (P,)."""

    variance: Floats
    share: Floats  # of the variance that comes from seeds
    seeds_df: Floats
    episodes_df: Floats


def intervals(views: Mapping[str, View]) -> list[Interval]:
    """`estimate(view).interval()` of every view, in their order. All views must have the same tasks."""
    parts = _parts(views)
    own = {task: scores.var(1, ddof=1) for task, scores in parts.episodes.items()}
    spread = _spread(np.diag(parts.seeds), parts.seeds_df, np.diag(parts.rest), own, parts)
    half = np.sqrt(_squared_critical(spread, 0.05) * np.maximum(spread.variance, 0))
    return [
        Interval(float(mean), float(mean - h), float(mean + h), describe(view))
        for mean, h, view in zip(parts.mean, half, views.values(), strict=True)
    ]


def significantly_better(views: Mapping[str, View], level: float) -> NDArray[np.bool_]:
    """(M, M): [i, j] is true if method j is better than i, at a family-wise `level` over all pairs (Holm)."""
    parts = _parts(views)
    first, second = np.triu_indices(len(parts.mean), 1)
    gaps = {}
    for task, scores in parts.episodes.items():
        product = np.cov(scores) if len(scores) > 1 else scores.var(1, ddof=1)[:, None]
        gaps[task] = parts.of_differences(product, first, second)
    seeds = parts.of_differences(parts.seeds, first, second)
    own, df = np.diag(parts.seeds), parts.seeds_df
    welch = own[first] ** 2 / df[first] + own[second] ** 2 / df[second]
    paired = (df[first] == df[second]) & (df[first] >= PAIRED_SEEDS - 1) | ~(welch > 0)
    between = np.divide(seeds**2, welch, out=df[first].copy(), where=~paired)
    rest = parts.of_differences(parts.rest, first, second)
    spread = _spread(seeds, between, rest, gaps, parts)
    size = np.abs(parts.mean[first] - parts.mean[second]) / np.sqrt(np.maximum(spread.variance, 1e-300))
    rejected = _holm(size, spread, level)
    better = np.zeros((len(parts.mean), len(parts.mean)), np.bool_)
    a, b = first[rejected], second[rejected]
    a_wins = parts.mean[a] > parts.mean[b]
    better[np.where(a_wins, b, a), np.where(a_wins, a, b)] = True
    return better


def _parts(views: Mapping[str, View]) -> _Parts:
    """The estimates of all methods; those with equally many seeds are computed in one array."""
    share, all_views = weights(next(iter(views.values()))), list(views.values())
    mean, seeds, rest = np.zeros(len(views)), np.zeros([len(views)] * 2), np.zeros([len(views)] * 2)
    df, counts = np.ones(len(views)), np.array([len(next(iter(view.values()))) for view in all_views])
    episodes = {task: np.empty((len(views), all_views[0][task].shape[1])) for task in share}
    for count in np.unique(counts):
        members = np.flatnonzero(counts == count)
        block = np.ix_(members, members)
        common = np.ones([len(members)] * 2) if count >= PAIRED_SEEDS else np.eye(len(members))
        of_seeds = np.zeros((len(members), count))
        for task, weight in share.items():
            scores = np.stack([all_views[i][task] for i in members])  # (M, S, E)
            episodes[task][members] = scores.mean(1)
            mean[members] += weight * scores.mean((1, 2))
            of_seeds += weight * scores.mean(2)
            if count > 1:
                residual = scores - scores.mean(1, keepdims=True) - scores.mean(2, keepdims=True)
                residual = (residual + scores.mean((1, 2), keepdims=True)).reshape(len(members), -1)
                free = max((count - 1) * (scores.shape[2] - 1), 1)  # degrees of freedom
                rest[block] += common * weight**2 * (residual @ residual.T) / free / (count * scores.shape[2])
        if count > 1:
            seeds[block] = common * np.cov(of_seeds).reshape(block[0].size, -1) / count
            df[members] = count - 1
        else:
            seeds[members, members] = np.nan
    return _Parts(mean, seeds, df, rest, episodes)


def _spread(
    seeds: Floats, seeds_df: Floats, rest: Floats, own: Mapping[str, Floats], parts: _Parts
) -> _Spread:
    """`Estimate.variance` of P means or differences. own: per task the variance between episodes (P,)."""
    share = weights(parts.episodes)
    total, welch = np.zeros(len(seeds)), np.zeros(len(seeds))
    for task, variance in own.items():
        episodes = parts.episodes[task].shape[1]
        part = share[task] ** 2 * variance / episodes
        total += part
        welch += part**2 / (episodes - 1)
    first = next(iter(parts.episodes.values())).shape[1] - 1.0
    episodes_df = np.divide(total**2, welch, out=np.full(len(seeds), first), where=welch > 0)
    once = np.isnan(seeds)
    variance = np.where(once, total, np.maximum(seeds + total - rest, rest))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(once | (variance <= 0), 0.0, np.minimum(seeds / variance, 1.0))
    return _Spread(variance, ratio, np.where(once, episodes_df, seeds_df), episodes_df)


def _squared_critical(spread: _Spread, alpha: float) -> Floats:
    """The square of `Estimate.critical`."""
    of_seeds, of_episodes = (-stdtrit(df, alpha / 2) for df in (spread.seeds_df, spread.episodes_df))
    squared: Floats = (1 - spread.share**2) * of_episodes**2 + spread.share**2 * of_seeds**2
    return squared


def _holm(size: Floats, spread: _Spread, level: float) -> NDArray[np.bool_]:
    """Which pairs are significant (P,). size: differences in standard errors."""
    rejected = np.zeros(len(size), np.bool_)
    rows = [np.searchsorted(GRID, df, "right") - 1 for df in (spread.seeds_df, spread.episodes_df)]
    while not rejected.all():
        left = np.flatnonzero(~rejected)
        remaining = _Spread(*(values[left] for values in spread))
        new = left[_beyond(size[left], remaining, [row[left] for row in rows], level / len(left))]
        if len(new) == 0:
            break
        rejected[new] = True
    return rejected


def _beyond(
    size: Floats, spread: _Spread, rows: Sequence[NDArray[np.intp]], alpha: float
) -> NDArray[np.bool_]:
    """Whether p < alpha, that is, size > critical(alpha): from a table, computed only where it cannot decide.

    rows: for seeds and for episodes, the last entry of GRID that does not exceed the degrees of freedom.
    """
    table = -stdtrit(GRID, alpha / 2)  # decreases with the degrees of freedom
    bounds = []
    for step in (0, 1):  # the next tabulated value above and below
        of_seeds, of_episodes = (table[np.clip(row + step, 0, len(GRID) - 1)] for row in rows)
        bounds.append((1 - spread.share**2) * of_episodes**2 + spread.share**2 * of_seeds**2)
    most, least = bounds
    beyond: NDArray[np.bool_] = size**2 > most
    near = np.flatnonzero(~beyond & (size**2 >= least))
    exact = _Spread(*(values[near] for values in spread))
    beyond[near] = size[near] ** 2 > _squared_critical(exact, alpha)
    return beyond
