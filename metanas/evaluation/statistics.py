"""Estimates of scores with 95 % intervals, from seed runs and episodes. No torch.

Scores come as arrays (S seeds, E episodes); a view of a method is a mapping "domain/5w1s" -> such an array.
Seeds are independent meta-trainings, episodes are the same pinned ones for every seed and method, so an array
has two crossed random factors: score = mean + seed + episode + rest. Comes after `scores.py`; `paired.py`
compares methods.

The interval used everywhere (`Estimate.interval`) is the t interval of that crossed layout. It claims: in
95 % of repetitions of the whole study, with new meta-trainings and new test episodes from the same domains,
it covers the expected score. With one seed it claims this only for the trained model at hand. Verified by
simulation for 1, 3 and 5 seeds, with and without an effect of the seed (tests/evaluation/test_coverage.py).
The percentile bootstrap fails this: with 3 seeds it covers 96 % where seeds do not differ, but 92 and 83 %
where their spread is 0.02 and 0.05 of accuracy. It is shown only for comparison.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from metanas.base import philox
from metanas.base.errors import InvalidValue

Floats = NDArray[np.float64]
View = Mapping[str, Floats]  # task name -> (S, E)
DRAWS = 10_000  # resamples of a bootstrap
PAIRED_SEEDS = 5  # with at least so many seeds, those of two methods are paired, see `difference`
CHUNK = 30_000  # random numbers at a time, to limit memory
KEPT = 64  # draws that are kept, of DRAWS rows each: a server is asked for any number of methods
LEAST_P = 1e-12  # the smallest p-value that is returned


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval, in the units of the scores; `how` says what it was computed from."""

    mean: float
    low: float
    high: float
    how: str

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    @property
    def percents(self) -> tuple[float, float, float]:
        """Mean, low and high of an accuracy in %, clipped to 0..100: what tables and charts show."""
        return 100 * self.mean, 100 * max(self.low, 0.0), 100 * min(self.high, 1.0)

    def percent(self) -> str:
        """An accuracy in % as text, 81.5 [80.9, 82.2]."""
        mean, low, high = self.percents
        return f"{mean:.1f} [{low:.1f}, {high:.1f}]"


class Part(NamedTuple):
    """What one factor adds to a mean's variance, and the degrees of freedom of that estimate."""

    variance: float
    df: float


class Estimate(NamedTuple):
    """A mean and the components of its variance.

    seeds: variance of the mean over the seeds' scores, None with one seed. episodes: of the mean over the
    episodes' scores. rest: the seed x episode variance that both contain. how: see `Interval`.
    """

    mean: float
    seeds: Part | None
    episodes: Part
    rest: float
    how: str

    @property
    def variance(self) -> float:
        """Variance of the mean: seeds + episodes - rest, unbiased (Searle et al., 1992), at least `rest`."""
        if self.seeds is None:
            return self.episodes.variance
        return max(self.seeds.variance + self.episodes.variance - self.rest, self.rest)

    def interval(self, level: float = 0.95) -> Interval:
        """The mean plus and minus `critical` standard errors."""
        half = self.critical(1 - level) * self.variance**0.5
        return Interval(self.mean, self.mean - half, self.mean + half, self.how)

    def critical(self, alpha: float) -> float:
        """The two-sided critical value: how many standard errors leave `alpha` outside.

        The share r of the variance that comes from the seeds weighs two t quantiles:
        c^2 = (1 - r^2) t_episodes^2 + r^2 t_seeds^2, after Cochran (1964), who weighs them by r for two
        samples. With r instead of r^2 the interval over-covers (97.7 %), with Satterthwaite's degrees of
        freedom it under-covers (92 %); r^2 gives 94.2-95.6 % for 3 seeds over all ratios that we tried.
        """
        of_seeds, of_episodes = self._quantiles(alpha)
        share = self._share()
        return float(((1 - share**2) * of_episodes**2 + share**2 * of_seeds**2) ** 0.5)

    def p(self) -> float:
        """Two-sided p-value of the mean being 0: the alpha whose interval ends at 0; at least LEAST_P."""
        if self.mean == 0:
            return 1.0
        size = abs(self.mean) / max(self.variance, 1e-300) ** 0.5
        if self.critical(LEAST_P) <= size:
            return LEAST_P
        from scipy.optimize import brentq  # half a second to import; a server needs none of it

        log = brentq(lambda a: self.critical(float(np.exp(a))) - size, np.log(LEAST_P), 0.0, xtol=1e-10)
        return float(np.exp(log))

    def _share(self) -> float:
        if self.seeds is None or self.variance <= 0:
            return 0.0
        return min(self.seeds.variance / self.variance, 1.0)

    def _quantiles(self, alpha: float) -> tuple[float, float]:
        of_episodes = -stdtrit(self.episodes.df, alpha / 2)
        of_seeds = of_episodes if self.seeds is None else -stdtrit(self.seeds.df, alpha / 2)
        return float(of_seeds), float(of_episodes)


def estimate(view: View) -> Estimate:
    """A method's mean over the tasks of a view, weighted by `weights`. The tasks count as fixed, not sampled.

    InvalidValue with fewer than two episodes.
    """
    share = weights(view)
    mean = sum(share[task] * float(scores.mean()) for task, scores in view.items())
    seeds, rest = _seeds(view, share)
    episodes = _add([_episodes(scores.mean(0), share[task]) for task, scores in view.items()])
    return Estimate(mean, seeds, episodes, rest, describe(view))


def difference(a: View, b: View) -> Estimate:
    """The mean of a minus that of b over the same tasks. InvalidValue if tasks or episodes differ.

    Episodes are paired, since both answered the same ones. Seeds are paired if both methods have equally
    many and at least PAIRED_SEEDS: a seed fixes the order of the meta-training tasks, which affects most
    methods alike. Pairing halves the seeds' degrees of freedom, which with three seeds mostly costs more than
    it gains (t quantiles of 4.3 for 2.8, and of 31 for 8.6 where Holm's method needs p < 0.001). Where seeds
    have no common effect, pairing costs nothing else.
    """
    if a.keys() != b.keys():
        raise InvalidValue(
            f"tasks differ: {sorted(a.keys() ^ b.keys())[0]} was answered by one of the two only"
        )
    share = weights(a)
    for task in a:
        if a[task].shape[1] != b[task].shape[1]:
            raise InvalidValue(f"{task}: {a[task].shape[1]} episodes against {b[task].shape[1]}")
    if _pairs_seeds(a, b):
        return estimate({task: a[task] - b[task] for task in a})._replace(how=describe_difference(a, b))
    gaps = {task: a[task].mean(0) - b[task].mean(0) for task in a}
    mean = sum(share[task] * float(gap.mean()) for task, gap in gaps.items())
    episodes = _add([_episodes(gap, share[task]) for task, gap in gaps.items()])
    (seeds_a, rest_a), (seeds_b, rest_b) = _seeds(a, share), _seeds(b, share)
    if seeds_a is None or seeds_b is None:
        return Estimate(mean, None, episodes, 0.0, describe_difference(a, b))
    seeds = _add([seeds_a, seeds_b])
    return Estimate(mean, seeds, episodes, rest_a + rest_b, describe_difference(a, b))


def describe_difference(a: View, b: View) -> str:
    """What the interval of `difference` is computed from, in words (`Interval.how`)."""
    once = min(len(next(iter(view.values()))) for view in (a, b)) < 2
    seeds = (
        " by seed and episode"
        if _pairs_seeds(a, b)
        else " by episode; one seed only"
        if once
        else " by episode"
    )
    return f"paired{seeds}. {describe(a)}"


def _pairs_seeds(a: View, b: View) -> bool:
    return all(len(a[task]) == len(b[task]) >= PAIRED_SEEDS for task in a)


def difference_within(a: View, b: View) -> Estimate:
    """The mean of a minus that of b, where both are answers of the same trainings to the same episodes.

    Paired by seed and episode, however few seeds there are: what they have in common is the whole training.
    """
    gaps = {task: a[task] - b[task] for task in a}
    return estimate(gaps)._replace(how=f"paired by seed and episode. {describe(gaps)}")


def weights(view: View) -> dict[str, float]:
    """Weight of each task, sum 1: every domain the same, and within a domain every task."""
    domains = [domain_of(task) for task in view]
    return {task: 1 / (len(set(domains)) * domains.count(domain_of(task))) for task in view}


def domain_of(task: str) -> str:
    """The domain in a task name: digits for digits/5w1s."""
    return task.partition("/")[0]


def seed_interval(view: View) -> Interval | None:
    """The t interval over the seeds' means alone: wide, and blind to episodes. None with one seed."""
    means = _seed_means(view)
    if len(means) < 2:
        return None
    half = -stdtrit(len(means) - 1, 0.025) * means.std(ddof=1) / len(means) ** 0.5
    mean = float(means.mean())
    return Interval(mean, mean - half, mean + half, f"t over the means of {len(means)} seeds")


def _seed_means(view: View) -> Floats:
    """Each seed's weighted mean over the tasks (S,)."""
    share = weights(view)
    return np.sum([share[task] * scores.mean(1) for task, scores in view.items()], axis=0)


def bootstrap(view: View, name: str = "") -> Interval:
    """Percentile interval of `bootstrap_draws`, shown beside `Estimate.interval`. name: of the method."""
    draws = bootstrap_draws({name: view})[0]
    low, high = np.percentile(draws, [2.5, 97.5])
    mean = sum(weights(view)[task] * float(scores.mean()) for task, scores in view.items())
    return Interval(mean, float(low), float(high), f"bootstrap over seeds and episodes, {DRAWS:,} draws")


def bootstrap_draws(views: Mapping[str, View]) -> NDArray[np.float32]:
    """Mean scores of methods under DRAWS resamplings of seeds crossed with episodes: (methods, DRAWS).

    The pigeonhole bootstrap of Owen (2007). All methods get the same resampled episodes, so differences of
    rows are paired. With at least PAIRED_SEEDS seeds, methods also get the same resampled seeds, otherwise
    each its own. Random numbers are counter-based (`base/philox.py`).
    """
    result = np.zeros((len(views), DRAWS), np.float32)
    first = next(iter(views.values()))
    share = weights(first)
    num_seeds = {name: len(next(iter(view.values()))) for name, view in views.items()}
    rows = [_counts("seeds" + ("" if n >= PAIRED_SEEDS else name), n) for name, n in num_seeds.items()]
    for task in first:
        arrays = [view[task] for view in views.values()]
        episodes = arrays[0].shape[1]
        order = _order(task)  # each task has its own order of the draws: independent between tasks
        counts = _counts("episodes", episodes)
        sums = counts @ np.concatenate(arrays).astype(np.float32).T  # (DRAWS, sum of seeds)
        column = 0
        for i, scores in enumerate(arrays):
            seeds = len(scores)
            part = sums[order, column : column + seeds] * rows[i]
            result[i] += np.float32(share[task] / (seeds * episodes)) * part.sum(1)
            column += seeds
    return result


def _seeds(view: View, share: Mapping[str, float]) -> tuple[Part | None, float]:
    """The seeds' part of the variance of a view's mean, and the rest that it contains."""
    means = _seed_means(view)
    if len(means) < 2:
        return None, 0.0
    seeds = len(means)
    rest = 0.0
    for task, scores in view.items():
        residual = scores - scores.mean(0) - scores.mean(1, keepdims=True) + scores.mean()
        episodes = scores.shape[1]
        mean_square = float((residual**2).sum()) / max((seeds - 1) * (episodes - 1), 1)
        rest += share[task] ** 2 * mean_square / (seeds * episodes)
    return Part(float(means.var(ddof=1)) / seeds, seeds - 1), rest


def _episodes(values: Floats, share: float) -> Part:
    """What the episodes (E,) of one task add to the variance; InvalidValue with fewer than two."""
    if len(values) < 2:
        raise InvalidValue(f"an interval needs at least 2 episodes, got {len(values)}")
    return Part(share**2 * float(values.var(ddof=1)) / len(values), len(values) - 1)


def _add(parts: list[Part]) -> Part:
    """Sum of independent parts, degrees of freedom by Welch (1947) and Satterthwaite (1946)."""
    total = sum(part.variance for part in parts)
    spread = sum(part.variance**2 / part.df for part in parts)
    return Part(total, total**2 / spread if spread > 0 else parts[0].df)


def describe(view: View) -> str:
    """What the interval of a view is computed from and what it covers, in words (`Interval.how`)."""
    seeds, episodes = next(iter(view.values())).shape
    claim = (
        "new trainings and new episodes" if seeds > 1 else "new episodes; training only once, so not its luck"
    )
    plural = "s" if seeds > 1 else ""
    tasks = f", {len(view)} tasks" if len(view) > 1 else ""
    return f"crossed t interval, {seeds} seed{plural} x {episodes} episodes{tasks}; covers {claim}"


@lru_cache(maxsize=KEPT)
def _counts(purpose: str, size: int) -> NDArray[np.float32]:
    """How often each of `size` units is drawn in each resample: (DRAWS, size)."""
    counts, step = np.empty((DRAWS, size), np.float32), max(CHUNK // size, 1)
    for first in range(0, DRAWS, step):
        rows = np.arange(first, min(first + step, DRAWS))
        bits = philox.words(philox.key("bootstrap", purpose, size), rows, size)
        picked = philox.below(size, bits) + size * np.arange(len(rows))[:, None]
        counts[rows] = np.bincount(picked.ravel(), minlength=len(rows) * size).reshape(len(rows), size)
    return counts


@lru_cache(maxsize=KEPT)
def _order(task: str) -> NDArray[np.int64]:
    """A fixed random order of the DRAWS resamples."""
    bits = philox.words(philox.key("bootstrap order", task), np.arange(DRAWS), 1)[:, 0]
    return np.argsort(bits, kind="stable")
