"""Which of a thousand methods are better than which: `Pair.p` and Holm over all pairs. No torch.

The test of `paired.pairs`, for all pairs at once: variances of differences come from one matrix product per
task, and Holm's (1979) step-down compares standard errors with a critical value instead of computing half a
million p-values: with R rejections so far, all pairs with p < level / (pairs - R) are rejected too, until
nothing changes. A test holds it equal to `holm` over `Estimate.p`. Comes after stats.py; ranking.py uses it.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from metanas.evaluation.stats import Floats, View, _seeds, weights

GRID = np.geomspace(0.5, 1e7, 4_000)  # degrees of freedom at which quantiles are tabulated


class _Gaps(NamedTuple):
    """Every pair's difference of means in standard errors, and what decides its critical value (pairs,)."""

    size: Floats
    share: Floats
    seeds_df: Floats
    episodes_df: Floats


def significantly_better(views: Mapping[str, View], level: float) -> NDArray[np.bool_]:
    """[i, j]: method j is better than method i at a family-wise `level` over all pairs (methods, methods)."""
    means = weighted_means(views)
    first, second = np.triu_indices(len(means), 1)
    rejected = _holm(_gaps(views, means, first, second), level)
    better = np.zeros((len(means), len(means)), np.bool_)
    a, b = first[rejected], second[rejected]
    a_wins = means[a] > means[b]
    better[np.where(a_wins, b, a), np.where(a_wins, a, b)] = True
    return better


def weighted_means(views: Mapping[str, View]) -> Floats:
    """Every method's mean over the tasks (methods,)."""
    share = weights(next(iter(views.values())))
    found = [
        sum(share[task] * float(scores.mean()) for task, scores in view.items()) for view in views.values()
    ]
    return np.array(found)


def _gaps(
    views: Mapping[str, View], means: Floats, first: NDArray[np.intp], second: NDArray[np.intp]
) -> _Gaps:
    share = weights(next(iter(views.values())))
    total, known = np.zeros(len(first)), np.zeros(len(first))
    for task, weight in share.items():
        scores = np.stack([view[task].mean(0) for view in views.values()])  # (methods, E)
        episodes = scores.shape[1]
        centred = scores - scores.mean(1, keepdims=True)
        product = centred @ centred.T / (episodes - 1)
        own = np.diag(product)
        part = (own[first] + own[second] - 2 * product[first, second]).clip(0) * weight**2 / episodes
        total += part
        known += part**2 / (episodes - 1)
    episodes_df = np.divide(total**2, known, out=np.full(len(first), float(episodes - 1)), where=known > 0)
    seeds, rest, df = _seed_parts(views, share)
    once = np.isnan(seeds[first] + seeds[second])  # one of the two was trained once
    of_seeds = seeds[first] + seeds[second]
    both_rest = rest[first] + rest[second]
    variance = np.where(once, total, np.maximum(of_seeds + total - both_rest, both_rest))
    spread = seeds[first] ** 2 / df[first] + seeds[second] ** 2 / df[second]
    seeds_df = np.divide(of_seeds**2, spread, out=df[first].copy(), where=spread > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.minimum(of_seeds / variance, 1.0)
    ratio = np.where(once | (variance <= 0), 0.0, ratio)
    size = np.abs(means[first] - means[second]) / np.sqrt(np.maximum(variance, 1e-300))
    return _Gaps(size, ratio, np.where(once, episodes_df, seeds_df), episodes_df)


def _seed_parts(views: Mapping[str, View], share: Mapping[str, float]) -> tuple[Floats, Floats, Floats]:
    """Per method: the seeds' part of the variance (nan if trained once), what it contains, its df."""
    seeds, rest, df = [], [], []
    for view in views.values():
        part, contained = _seeds(view, share)
        seeds.append(np.nan if part is None else part.variance)
        rest.append(contained)
        df.append(1.0 if part is None else float(part.df))
    return np.array(seeds), np.array(rest), np.array(df)


def _holm(gaps: _Gaps, level: float) -> NDArray[np.bool_]:
    pairs = len(gaps.size)
    rejected = np.zeros(pairs, np.bool_)
    while not rejected.all():
        open_ = np.flatnonzero(~rejected)
        some = _Gaps(*(values[open_] for values in gaps))
        new = open_[_beyond(some, level / len(open_))]
        if len(new) == 0:
            break
        rejected[new] = True
    return rejected


def _beyond(gaps: _Gaps, alpha: float) -> NDArray[np.bool_]:
    """Whether p < alpha, that is, size > critical(alpha); exact only where a table cannot decide."""
    table = -stdtrit(GRID, alpha / 2)  # falls with the degrees of freedom
    sizes = gaps.size**2
    bounds = []
    for step in (0, 1):  # the next tabulated value above and below
        few, many = (
            table[np.clip(np.searchsorted(GRID, df, "right") - 1 + step, 0, len(GRID) - 1)]
            for df in (gaps.seeds_df, gaps.episodes_df)
        )
        bounds.append((1 - gaps.share**2) * many**2 + gaps.share**2 * few**2)
    most, least = bounds
    beyond = sizes > most
    near = np.flatnonzero(~beyond & (sizes >= least))
    few, many = (-stdtrit(df[near], alpha / 2) for df in (gaps.seeds_df, gaps.episodes_df))
    share = gaps.share[near] ** 2
    beyond[near] = sizes[near] > (1 - share) * many**2 + share * few**2
    return beyond
