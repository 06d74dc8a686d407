"""Comparisons of one method with all others: with the best, with a baseline, and ranks. No torch.

All pairs of k methods are k (k - 1) / 2 tests, and what they are corrected for grows with the square of k.
Here a family is the k - 1 comparisons of one method, as Dunnett (1955) has it for a control:

- with a baseline: simultaneous 95 % intervals of every method minus the baseline (two-sided);
- with the best: intervals of every method minus the best of all others, multiple comparisons with the best
  (MCB; Hsu, 1984; Edwards and Hsu, 1983). With 95 % confidence all hold at once, and the best method is not
  excluded;
- ranks: 1 + how many are better than this one, to how many are not worse (two-sided). A marginal confidence
  set of the rank (Mogstad, Romano, Shaikh and Wilhelm, 2024): each range holds with 95 %, not all at once.

Every difference has the standard error and the crossed t distribution of `statistics.difference`. How far
alpha is divided is decided as for k - 1 normal variables that are all correlated alike, with the mean of the
correlations that the comparisons with this method have; so copies of one method count once, and a baseline
that does not vary makes the comparisons independent. Simulated in `tests/benchmarks/bench_comparisons.py`.
Comes after `batch_intervals.py`; `ranking.py` is next.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit

from metanas.base.errors import InvalidValue
from metanas.evaluation.batch_intervals import (
    Parts,
    Spread,
    differences_from,
    parts_of,
    spread_of_differences,
)
from metanas.evaluation.statistics import LEAST_P, Floats, Interval, View, describe_difference, weights

NODES = np.linspace(-8.0, 8.0, 129)  # of the integral over what the comparisons have in common
DENSITY = np.exp(-(NODES**2) / 2) / np.exp(-(NODES**2) / 2).sum()
GRID = np.linspace(0.03, 1.0, 60)  # square roots of 1 - correlation, at which bounds are tabulated
FEW = 4  # degrees of freedom of the seeds at which correlation no longer helps
ABOUT = 0.01  # relative error of what is tabulated, before it is computed where that matters
STEP = 0.05  # of the logarithm of the degrees of freedom in such a table
BLOCK = 50_000  # pairs at a time
SAME = 1e-9  # in accuracy: two methods of a smaller standard error differ by a constant
POWER = 0.8  # with which a difference of `Resolution.now` is found


class Against(NamedTuple):
    """A method minus the baseline. interval: simultaneous over all methods; p: adjusted over them."""

    name: str
    difference: Interval
    p: float


@dataclass(frozen=True)
class Resolution:
    """The smallest difference that is told with a power of 80 %, median over the pairs; in accuracy.

    doubled: what it would be with twice the seeds; None where there is one seed, which does not say.
    """

    seeds: int
    now: float
    doubled: float | None


class Lead(NamedTuple):
    """The highest mean against the next. difference: simultaneous over all comparisons of the leader."""

    leader: str
    runner_up: str
    difference: Interval  # leader - runner-up
    p: float
    significant: bool  # as the ranks have it: the interval is above 0


class OneToMany:
    """The differences of M methods from one another, row i: method i minus the others.

    views: at least one, all with the same tasks and episodes.
    """

    def __init__(self, views: Mapping[str, View]) -> None:
        self.names = tuple(views)
        self.parts = parts_of(views)
        self.gap = self.parts.mean[:, None] - self.parts.mean  # (M, M)
        self.spread = Spread(*(np.empty_like(self.gap) for _ in Spread._fields))  # (M, M)
        for rows in self._blocks():
            for whole, part in zip(self.spread, spread_of_differences(self.parts, rows), strict=True):
                whole[rows] = part
        self.error = np.sqrt(np.maximum(self.spread.variance, 0))
        self.correlation = _correlation(self.parts, self.error)

    def _blocks(self) -> Iterator[NDArray[np.intp]]:
        """The rows, some at a time: what they take in between fits a processor's cache."""
        rows = np.arange(len(self.names))
        yield from np.array_split(rows, -(-(len(rows) ** 2) // BLOCK))

    def margin(self, level: float, *, sides: int) -> Floats:
        """(M, M): half the width of row i's simultaneous intervals; inf on the diagonal.

        sides: 2 for two-sided comparisons, 1 for one-sided ones.
        """
        half: Floats = np.full([len(self.names)] * 2, np.inf)
        self._settle(half, np.ones_like(half, dtype=bool), level, sides)
        return half

    def _about(self, level: float, sides: int) -> Floats:
        """`margin` but for a share of at most ABOUT, for a board of a thousand in a tenth of the time."""
        share, half = self._share(level, sides), np.empty_like(self.gap)
        for rows in self._blocks():
            of_seeds, of_episodes = (
                _tabulated(df[rows], share[rows]) for df in (self.spread.seeds_df, self.spread.episodes_df)
            )
            squared = _crossed(of_seeds, of_episodes, self.spread.share[rows])
            half[rows] = np.sqrt(squared) * self.error[rows]
        np.fill_diagonal(half, np.inf)
        return half

    def _settle(self, half: Floats, which: NDArray[np.bool_], level: float, sides: int) -> None:
        """Put the exact values of `margin` into `half` (M, M) at `which` (M, M), but for the diagonal."""
        at = np.flatnonzero(which & ~np.eye(len(half), dtype=bool))
        spread = Spread(*(values.flat[at] for values in self.spread))
        critical = np.sqrt(_squared_critical(spread, 2 * self._share(level, sides)[at // len(half)]))
        half.flat[at] = critical * self.error.flat[at]

    def _share(self, level: float, sides: int) -> Floats:
        return tail(self.correlation, max(len(self.names) - 1, 1), level, sides=sides)

    def p(self, row: int) -> Floats:
        """Two-sided p-values (M,) of method `row` minus each, adjusted over them; 1 for itself."""
        spread = Spread(*(values[row] for values in self.spread))
        return _adjusted(self.gap[row], spread, float(self.correlation[row]))

    def to_best(self, level: float) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Low and high (M,) of every method minus the best other one, and whether it may be the best (M,).

        Constrained intervals: an end is 0 where that is all that is known, so a method that cannot be the
        best has [low, 0], and the only one that can has [0, high].
        """
        half = self._about(level, 1)
        most = (self.gap + (1 + ABOUT) * half).min(1, keepdims=True)
        self._settle(half, self.gap + (1 - ABOUT) * half <= most, level, 1)  # what the minimum may be at
        high = (self.gap + half).min(1)
        best = high >= -SAME
        others = best & ~np.eye(len(best), dtype=bool)  # row i: which j but i may be the best
        self._settle(half, others.T, level, 1)
        low = np.where(others, self.gap - half.T, 0.0).min(1)  # with the margins of each j's comparisons
        return np.minimum(low, 0.0), np.where(np.isinf(high), 0.0, np.maximum(high, 0.0)), best

    def to_best_other(self) -> Floats:
        """Every method's mean minus the highest of the others (M,); 0 for one alone."""
        others = np.where(np.eye(len(self.names), dtype=bool), np.inf, self.gap)
        found: Floats = others.min(1)
        return np.where(np.isinf(found), 0.0, found)

    def ranks(self, level: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """First and last rank (M,) that each method may have."""
        half = self._about(level, 2)
        self._settle(half, np.abs(np.abs(self.gap) - half) <= 2 * ABOUT * half, level, 2)
        better, worse = (self.gap < -half).sum(1), (self.gap > half).sum(1)
        return 1 + better, len(self.names) - worse

    def lead(self, level: float) -> Lead | None:
        """The highest mean against the next one, of equals the first; None with one method."""
        if len(self.names) < 2:
            return None
        leader, next_one = np.argsort(-self.parts.mean, kind="stable")[:2].tolist()
        halves, this = np.zeros_like(self.gap), np.zeros_like(self.gap, dtype=bool)
        this[leader, next_one] = True
        self._settle(halves, this, level, 2)
        gap, half = float(self.gap[leader, next_one]), float(halves[leader, next_one])
        how = f"simultaneous over the {len(self.names) - 1} comparisons of {self.names[leader]}"
        return Lead(
            self.names[leader],
            self.names[next_one],
            Interval(gap, gap - half, gap + half, how),
            float(self.p(leader)[next_one]),
            gap > half,
        )

    def resolution(self, level: float) -> Resolution | None:
        """What differences can be told in comparisons with the highest mean; None with one method."""
        leader = int(self.parts.mean.argmax())
        size = len(self.names)
        if size < 2:
            return None
        spread = Spread(*(np.delete(values[leader], leader) for values in self.spread))
        share = float(tail(self.correlation[leader : leader + 1], size - 1, level, sides=2)[0])
        seeds = int(self.parts.seeds_df.min()) + 1
        once = bool(np.isnan(np.diag(self.parts.seeds)).any())
        doubled = None if once else _smallest(_doubled(spread, seeds), share)
        return Resolution(1 if once else seeds, _smallest(spread, share), doubled)


def with_baseline(
    views: Mapping[str, View], baseline: str, level: float, correlation: float | None = None
) -> list[Against]:
    """Every method minus the baseline, in the order of the mapping. InvalidValue: no such method.

    correlation: the baseline's of `OneToMany.correlation`, where it is known; finding it takes all pairs.
    """
    if baseline not in views:
        raise InvalidValue(f"no method {baseline!r} to compare with; there is {', '.join(views)}")
    names, others = list(views), max(len(views) - 1, 1)
    if correlation is None:
        correlation = float(OneToMany(views).correlation[names.index(baseline)])
    gap, spread = differences_from(views, baseline)
    share = tail(np.array([correlation]), others, level, sides=2)
    half = np.sqrt(_squared_critical(spread, 2 * share) * np.maximum(spread.variance, 0))
    p = _adjusted(gap, spread, correlation)
    found = []
    for i, name in enumerate(names):
        if name == baseline:
            continue
        how = f"{describe_difference(views[name], views[baseline])}; simultaneous over "
        how += f"{len(views) - 1} comparisons with {baseline}"
        interval = Interval(float(gap[i]), float(gap[i] - half[i]), float(gap[i] + half[i]), how)
        found.append(Against(name, interval, float(p[i])))
    return found


def _adjusted(gap: Floats, spread: Spread, correlation: float) -> Floats:
    """Two-sided p-values (M,) of one method's differences from M, itself included; adjusted over them."""
    squares = gap**2 / np.maximum(spread.variance, 1e-300)
    low, high = np.full(len(gap), np.log(LEAST_P)), np.zeros(len(gap))
    for _ in range(30):  # of a logarithm: to 3e-8 of p
        middle = (low + high) / 2
        beyond = _squared_critical(spread, np.exp(middle)) < squares
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    bound, common = -ndtri(np.exp(high) / 2), np.full(len(gap), correlation)
    adjusted: Floats = 1 - _coverage(bound, common, max(len(gap) - 1, 1), sides=2)
    return np.where(gap == 0, 1.0, np.maximum(adjusted, 0.0))


def tail(correlation: Floats, comparisons: int, level: float, *, sides: int) -> Floats:
    """The one-tailed probability (M,) at which to test each of k comparisons: all hold with 1 - level.

    correlation (M,): of any two of the comparisons. Of the normal distribution, as Dunnett's (1955) tables
    with infinite degrees of freedom.
    """
    found: Floats = ndtr(-np.interp(np.sqrt(1 - correlation), GRID, _bounds(comparisons, level, sides)))
    return found


@lru_cache(maxsize=256)
def _bounds(comparisons: int, level: float, sides: int) -> Floats:
    """The bound on the k normal variables at the correlations 1 - GRID^2, by bisection."""
    low, high = np.zeros(len(GRID)), np.full(len(GRID), 12.0)
    for _ in range(32):
        middle = (low + high) / 2
        enough = _coverage(middle, 1 - GRID**2, comparisons, sides=sides) > 1 - level
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high


def _coverage(bound: Floats, correlation: Floats, comparisons: int, *, sides: int) -> Floats:
    """How probable it is that k equally correlated normal variables all stay within `bound` (M,)."""
    common, own = np.sqrt(correlation)[:, None], np.sqrt(1 - correlation)[:, None]
    inside = ndtr((bound[:, None] - common * NODES) / own)
    if sides == 2:
        inside = inside - ndtr((-bound[:, None] - common * NODES) / own)
    covered: Floats = inside**comparisons @ DENSITY
    return covered


def _squared_critical(spread: Spread, alpha: float | Floats) -> Floats:
    """The square of the critical value at a two-sided alpha: one, or of each (P,).

    `Estimate.critical` weighs the seeds' quantile by the square of their share r of the variance. For a
    small alpha and few seeds that is too little: more variance between episodes would make an interval
    shorter. Here the exponent is the largest up to 2 at which it does not, t_s^2 / (t_s^2 - t_e^2) with the
    quantiles of seeds and episodes: 2 at 5 % and five seeds, 1.2 at 0.1 % (with 2 there, 50 methods with 5
    seeds gave 6.8 % family-wise errors).
    """
    of_seeds, of_episodes = (stdtrit(df, alpha / 2) ** 2 for df in (spread.seeds_df, spread.episodes_df))
    return _crossed(of_seeds, of_episodes, spread.share)


def _tabulated(df: Floats, share: Floats) -> Floats:
    """The squares of t quantiles (R, M) at degrees of freedom (R, M) and one-tailed probabilities (R,).

    From a table over the degrees of freedom, log-linear: off by less than ABOUT / 2.
    """
    df = np.maximum(df, 1.0)  # below it are only differences of a method from itself
    low, high = np.log(df.min()), np.log(df.max())
    if high - low < 1e-12:
        return np.broadcast_to(stdtrit(df.flat[0], share)[:, None] ** 2, df.shape)
    places = max(2, int(np.ceil((high - low) / STEP)) + 1)
    table = np.log(stdtrit(np.exp(np.linspace(low, high, places)), share[:, None]) ** 2)  # (R, places)
    position = (np.log(df) - low) * ((places - 1) / (high - low))
    before = np.minimum(position.astype(np.intp), places - 2)
    part = position - before
    at, after = (np.take_along_axis(table, place, 1) for place in (before, before + 1))
    return np.exp((1 - part) * at + part * after)


def _crossed(of_seeds: Floats, of_episodes: Floats, share: Floats) -> Floats:
    """The square of the critical value, from the squares of the quantiles of seeds and episodes."""
    more = of_seeds - of_episodes
    power = np.divide(of_seeds, more, out=np.full_like(more, 2.0), where=more > of_seeds / 2)
    weight = share**power
    squared: Floats = (1 - weight) * of_episodes + weight * of_seeds
    return squared


def _correlation(parts: Parts, error: Floats) -> Floats:
    """The mean correlation (M,) of the comparisons of each method with the others, within 0..0.999.

    error: standard errors (M, M) of the differences. With weights w_j = 1 / error_ij the sum of the
    standardised differences has variance k + k (k - 1) times the mean correlation. Differences without any
    spread count as uncorrelated, the cautious side. And with few seeds, the comparisons that err are those
    whose standard error came out too small, each for itself: the correlation counts the less the fewer
    degrees of freedom there are, with FEW of them or less not at all (with it, 6 % errors at 5 seeds).
    """
    size = len(error)
    if size < 3:
        return np.zeros(size)
    covariance = np.nan_to_num(parts.seeds) - parts.rest
    for task, share in weights(parts.episodes).items():
        episodes = parts.episodes[task]
        covariance = covariance + share**2 * np.cov(episodes) / episodes.shape[1]
    weight = np.divide(1.0, error, out=np.zeros_like(error), where=error > SAME)
    np.fill_diagonal(weight, 0.0)
    total = weight.sum(1)
    variance = np.diag(covariance) * total**2 - 2 * total * (weight * covariance).sum(1)
    variance = variance + ((weight @ covariance) * weight).sum(1)
    others, df = size - 1, parts.seeds_df.min()
    common = 1.0 if np.isnan(parts.seeds).any() else max(0.0, 1 - FEW / df)
    return common * np.clip((variance - others) / (others * (others - 1)), 0.0, 0.999)


def _smallest(spread: Spread, share: float) -> float:
    """The median over pairs of the difference found with POWER at this one-tailed probability.

    A standard error is itself uncertain, which costs power; as in Johnson and Welch's (1940) approximation of
    the noncentral t: critical + z sqrt(1 + critical^2 / (2 df)) standard errors.
    """
    squared = _squared_critical(spread, 2 * share)
    unsure = spread.share**2 / spread.seeds_df + (1 - spread.share) ** 2 / spread.episodes_df  # 1 / df
    size = np.sqrt(squared) + ndtri(POWER) * np.sqrt(1 + squared * unsure / 2)
    return float(np.median(size * np.sqrt(np.maximum(spread.variance, 0))))


def _doubled(spread: Spread, seeds: int) -> Spread:
    """What the spread would be with twice the seeds: their part of the variance is half of what it is."""
    of_seeds = np.minimum(spread.share * spread.variance, spread.variance)
    variance = spread.variance - of_seeds / 2
    share = np.divide(of_seeds / 2, variance, out=np.zeros_like(variance), where=variance > 0)
    return Spread(variance, share, spread.seeds_df * (2 * seeds - 1) / (seeds - 1), spread.episodes_df)
