"""Estimates and differences of many methods at once, for a leaderboard with a thousand. No torch.

The numbers of `statistics.estimate` and `statistics.difference`, computed over arrays of methods. The
variances of all differences come from one matrix product per task. Tests hold the results equal to those of
one method or pair at a time. Next: `one_to_many.py`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from metanas.evaluation.statistics import PAIRED_SEEDS, Floats, Interval, View, describe, weights

Ints = NDArray[np.intp]
ROUNDING = 1e-13  # a variance that is less of those it is the difference of is 0


class Parts(NamedTuple):
    """`statistics.Estimate` of M methods as arrays, and their episodes' means.

    mean, seeds_df: (M,). seeds, rest: (M, M), on the diagonal a method's own variance (seeds: nan with one
    seed), elsewhere the covariance of two methods, 0 where their seeds are not paired. Without covariances
    only the diagonals, (M,).
    """

    mean: Floats
    seeds: Floats
    seeds_df: Floats
    rest: Floats
    episodes: Mapping[str, Floats]  # task -> (M, E)


class Spread(NamedTuple):
    """Variances of means or differences, and what decides their critical values; all of one shape."""

    variance: Floats
    share: Floats  # of the variance that comes from seeds
    seeds_df: Floats
    episodes_df: Floats


def intervals(views: Mapping[str, View]) -> list[Interval]:
    """`estimate(view).interval()` of every view, in their order. All views must have the same tasks."""
    parts = parts_of(views, covariances=False)
    own = (scores.var(1, ddof=1) for scores in parts.episodes.values())
    spread = _spread(parts.seeds, parts.seeds_df, parts.rest, own, parts)
    half = np.sqrt(squared_critical(spread, 0.05) * np.maximum(spread.variance, 0))
    return [
        Interval(float(mean), float(mean - h), float(mean + h), describe(view))
        for mean, h, view in zip(parts.mean, half, views.values(), strict=True)
    ]


def spread_of_differences(parts: Parts, rows: Ints) -> Spread:
    """The spread of the methods `rows` (R,) minus every method, (R, M); as `statistics.difference` has it.

    parts: with covariances. Of a thousand methods all rows at once would be a dozen arrays of 8 MB.
    """

    def variance(own: Floats, common: Floats) -> Floats:
        """Of the differences, from the variances (M,) of all and the covariances (R, M)."""
        both = own[rows, None] + own
        gap = both - 2 * common
        return np.where(gap < ROUNDING * both, 0.0, gap)

    def gaps() -> Iterator[Floats]:
        for scores in parts.episodes.values():
            centred, free = scores - scores.mean(1, keepdims=True), scores.shape[1] - 1
            yield variance(np.einsum("ij,ij->i", centred, centred) / free, centred[rows] @ centred.T / free)

    own, df = np.diag(parts.seeds), parts.seeds_df
    seeds, rest = (variance(np.diag(part), part[rows]) for part in (parts.seeds, parts.rest))
    welch = own[rows, None] ** 2 / df[rows, None] + own**2 / df
    paired = (df[rows, None] == df) & (df >= PAIRED_SEEDS - 1) | ~(welch > 0)
    first = np.broadcast_to(df[rows, None], welch.shape)
    between = np.divide(seeds**2, welch, out=first.copy(), where=~paired)
    return _spread(seeds, between, rest, gaps(), parts)


def differences_from(views: Mapping[str, View], control: str) -> tuple[Floats, Spread]:
    """Every view minus that of `control`: means and spread, all (M,); as `statistics.difference` has it."""
    parts, i = parts_of(views, covariances=False), list(views).index(control)
    own, df = parts.seeds, parts.seeds_df
    seeds, rest = own + own[i], parts.rest + parts.rest[i]
    welch = own**2 / df + own[i] ** 2 / df[i]
    between = np.divide(seeds**2, welch, out=df.copy(), where=welch > 0)
    paired = np.flatnonzero((df == df[i]) & (df >= PAIRED_SEEDS - 1))
    if len(paired):
        names, base = [list(views)[at] for at in paired], views[control]
        gaps = {name: {task: views[name][task] - base[task] for task in base} for name in names}
        of_gaps = parts_of(gaps, covariances=False)
        seeds[paired], rest[paired], between[paired] = of_gaps.seeds, of_gaps.rest, of_gaps.seeds_df
    own_episodes = ((scores - scores[i]).var(1, ddof=1) for scores in parts.episodes.values())
    return parts.mean - parts.mean[i], _spread(seeds, between, rest, own_episodes, parts)


def parts_of(views: Mapping[str, View], *, covariances: bool = True) -> Parts:
    """The estimates of all methods, which must have the same tasks.

    Those with equally many seeds are computed in one array.
    """
    share, all_views = weights(next(iter(views.values()))), list(views.values())
    size = [len(views)] * (2 if covariances else 1)
    mean, seeds, rest = np.zeros(len(views)), np.zeros(size), np.zeros(size)
    df, counts = np.ones(len(views)), np.array([len(next(iter(view.values()))) for view in all_views])
    episodes = {task: np.empty((len(views), all_views[0][task].shape[1])) for task in share}
    for count in np.unique(counts):
        members = np.flatnonzero(counts == count)
        block = np.ix_(*[members] * len(size))
        common = np.ones([len(members)] * 2) if count >= PAIRED_SEEDS else np.eye(len(members))
        of_seeds = np.zeros((len(members), count))
        for task, weight in share.items():
            scores = np.stack([all_views[i][task] for i in members])  # (M, S, E)
            of_episodes, seed_means = scores.mean(1), scores.mean(2)
            means = seed_means.mean(1)
            episodes[task][members] = of_episodes
            mean[members] += weight * means
            of_seeds += weight * seed_means
            if count > 1:
                residual = scores - of_episodes[:, None] - seed_means[:, :, None]
                residual = (residual + means[:, None, None]).reshape(len(members), -1)
                free = max((count - 1) * (scores.shape[2] - 1), 1)  # degrees of freedom
                if covariances:
                    products = common * (residual @ residual.T)
                else:
                    products = np.einsum("ij,ij->i", residual, residual)
                rest[block] += weight**2 * products / free / (count * scores.shape[2])
        if count > 1:
            if covariances:
                seeds[block] = common * np.cov(of_seeds).reshape(block[0].size, -1) / count
            else:
                seeds[block] = of_seeds.var(1, ddof=1) / count
            df[members] = count - 1
        elif covariances:
            seeds[members, members] = np.nan
        else:
            seeds[members] = np.nan
    return Parts(mean, seeds, df, rest, episodes)


def _spread(seeds: Floats, seeds_df: Floats, rest: Floats, own: Iterable[Floats], parts: Parts) -> Spread:
    """`Estimate.variance` of means or differences. own: of each task the variance between episodes."""
    share = weights(parts.episodes)
    total, welch = np.zeros(seeds.shape), np.zeros(seeds.shape)
    for task, variance in zip(parts.episodes, own, strict=True):
        episodes = parts.episodes[task].shape[1]
        part = share[task] ** 2 * variance / episodes
        total += part
        welch += part**2 / (episodes - 1)
    first = next(iter(parts.episodes.values())).shape[1] - 1.0
    episodes_df = np.divide(total**2, welch, out=np.full(seeds.shape, first), where=welch > 0)
    once = np.isnan(seeds)
    variance = np.where(once, total, np.maximum(seeds + total - rest, rest))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(once | (variance <= 0), 0.0, np.minimum(seeds / variance, 1.0))
    return Spread(variance, ratio, np.where(once, episodes_df, seeds_df), episodes_df)


def squared_critical(spread: Spread, alpha: float) -> Floats:
    """The square of `Estimate.critical`."""
    of_seeds, of_episodes = (-stdtrit(df, alpha / 2) for df in (spread.seeds_df, spread.episodes_df))
    squared: Floats = (1 - spread.share**2) * of_episodes**2 + spread.share**2 * of_seeds**2
    return squared
