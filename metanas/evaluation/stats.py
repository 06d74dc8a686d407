"""How sure a number is: estimates with 95 % intervals from seeds and episodes. No torch.

Scores come as arrays (S seeds, E episodes), a view of a method as a mapping "domain/5w1s" -> such an array.
Seeds are meta-trainings of their own, episodes the same pinned ones for every seed and method, so an array
has two crossed random factors: score = mean + seed + episode + rest. Comes after result.py; next is
paired.py, which compares methods.

THE interval everywhere (`Estimate.interval`) is the t interval of that crossed layout. It claims: in 95 % of
repetitions of the whole study, with new meta-trainings and new test episodes from the same domains, it covers
the expected score. With one seed it claims that of the trained model at hand only. Known to hold by
simulation for 1, 3 and 5 seeds, with and without an effect of the seed (tests/evaluation/test_coverage.py).
The percentile bootstrap does not: at 3 seeds it covers 96 % where seeds do not differ, but 92 and 83 % where
their spread is 0.02 and 0.05 of accuracy. It is only shown beside.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from metanas import counter

Floats = NDArray[np.float64]
View = Mapping[str, Floats]  # task name -> (S, E)
DRAWS = 10_000
PAIRED_SEEDS = 5  # trainings from which on two methods' are paired, see `difference`
CHUNK = 500  # draws at a time, for the sake of memory
LEAST_P = 1e-12  # smaller p-values are not told apart


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval, in the units of the scores; `how` says what it was computed from."""

    mean: float
    low: float
    high: float
    how: str

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def percent(self) -> str:
        """An accuracy as people read it, 81.5 [80.9, 82.2]: in %, the interval cut where accuracies end."""
        low, high = max(self.low, 0.0), min(self.high, 1.0)
        return f"{100 * self.mean:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


class Part(NamedTuple):
    """What one factor adds to a mean's variance, and on how many degrees of freedom we know that."""

    variance: float
    df: float


class Estimate(NamedTuple):
    """A mean and the two parts of its uncertainty.

    seeds: variance of the mean of the seeds' scores, None with one seed. episodes: likewise of the
    episodes' scores. rest: what both contain (seed x episode), counted once.
    """

    mean: float
    seeds: Part | None
    episodes: Part
    rest: float
    how: str

    @property
    def variance(self) -> float:
        """Of the mean: seeds + episodes - rest, unbiased (Searle et al., 1992), but at least `rest`."""
        if self.seeds is None:
            return self.episodes.variance
        return max(self.seeds.variance + self.episodes.variance - self.rest, self.rest)

    def interval(self, level: float = 0.95) -> Interval:
        """The mean plus and minus `critical` standard errors."""
        half = self.critical(1 - level) * self.variance**0.5
        return Interval(self.mean, self.mean - half, self.mean + half, self.how)

    def critical(self, alpha: float) -> float:
        """How many standard errors leave `alpha` outside (two-sided).

        The share r of the variance that comes from the few seeds decides between two t quantiles:
        c^2 = (1 - r^2) t_episodes^2 + r^2 t_seeds^2, after Cochran (1964), who weighs them by r for two
        samples. By r alone it would over-cover here (97.7 %), Satterthwaite's degrees of freedom would
        under-cover (92 %); r^2 keeps 94.2-95.6 % for 3 seeds over all ratios that we tried.
        """
        few, many = self._quantiles(alpha)
        share = self._share()
        return float(((1 - share**2) * many**2 + share**2 * few**2) ** 0.5)

    def p(self) -> float:
        """Two-sided p-value of the mean being 0: the alpha at which the interval touches it."""
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
        many = -stdtrit(self.episodes.df, alpha / 2)
        few = many if self.seeds is None else -stdtrit(self.seeds.df, alpha / 2)
        return float(few), float(many)


def estimate(view: View) -> Estimate:
    """A method's mean over the tasks of a view, by `weights`. Tasks are fixed: it speaks of these domains."""
    share = weights(view)
    mean = sum(share[task] * float(scores.mean()) for task, scores in view.items())
    seeds, rest = _seeds(view, share)
    episodes = _add([_episodes(scores.mean(0), share[task]) for task, scores in view.items()])
    return Estimate(mean, seeds, episodes, rest, _how(view))


def difference(a: View, b: View) -> Estimate:
    """The mean of a minus that of b over the same tasks. ValueError if tasks or episodes differ.

    Episodes are paired, since both answered the same ones. So are seeds where both have as many and at least
    PAIRED_SEEDS: a seed is the order of the training tasks, and good or bad for most methods alike. Pairing
    halves the seeds' degrees of freedom, which with three costs more than it mostly gains (t quantiles of 4.3
    for 2.8, and of 31 for 8.6 where Holm's method asks for p < 0.001); wrongly paired, it costs nothing else.
    """
    if a.keys() != b.keys():
        raise ValueError(
            f"tasks differ: {sorted(a.keys() ^ b.keys())[0]} was answered by one of the two only"
        )
    share = weights(a)
    for task in a:
        if a[task].shape[1] != b[task].shape[1]:
            raise ValueError(f"{task}: {a[task].shape[1]} episodes against {b[task].shape[1]}")
    if all(len(a[task]) == len(b[task]) >= PAIRED_SEEDS for task in a):
        paired = estimate({task: a[task] - b[task] for task in a})
        return paired._replace(how=f"paired by seed and episode. {_how(a)}")
    gaps = {task: a[task].mean(0) - b[task].mean(0) for task in a}
    mean = sum(share[task] * float(gap.mean()) for task, gap in gaps.items())
    episodes = _add([_episodes(gap, share[task]) for task, gap in gaps.items()])
    (seeds_a, rest_a), (seeds_b, rest_b) = _seeds(a, share), _seeds(b, share)
    if seeds_a is None or seeds_b is None:
        return Estimate(mean, None, episodes, 0.0, f"paired by episode; one seed only. {_how(a)}")
    seeds = _add([seeds_a, seeds_b])
    return Estimate(mean, seeds, episodes, rest_a + rest_b, f"paired by episode. {_how(a)}")


def weights(view: View) -> dict[str, float]:
    """Every domain the same, and within it every task: a domain with more shapes counts no more."""
    domains = [domain_of(task) for task in view]
    return {task: 1 / (len(set(domains)) * domains.count(domain_of(task))) for task in view}


def domain_of(task: str) -> str:
    """digits/5w1s is of digits."""
    return task.partition("/")[0]


def seed_interval(view: View) -> Interval | None:
    """The t interval over the seeds' means alone: sound, but blind to episodes and wide. None for 1 seed."""
    means = seed_means(view)
    if len(means) < 2:
        return None
    half = -stdtrit(len(means) - 1, 0.025) * means.std(ddof=1) / len(means) ** 0.5
    mean = float(means.mean())
    return Interval(mean, mean - half, mean + half, f"t over the means of {len(means)} seeds")


def seed_means(view: View) -> Floats:
    """Each seed's weighted mean over the tasks (S,)."""
    share = weights(view)
    return np.sum([share[task] * scores.mean(1) for task, scores in view.items()], axis=0)


def bootstrap(view: View, name: str = "") -> Interval:
    """Percentile interval of `bootstrap_draws`, to be shown beside `Estimate.interval`."""
    draws = bootstrap_draws({name: view})[0]
    low, high = np.percentile(draws, [2.5, 97.5])
    mean = sum(weights(view)[task] * float(scores.mean()) for task, scores in view.items())
    return Interval(mean, float(low), float(high), f"bootstrap over seeds and episodes, {DRAWS:,} draws")


def bootstrap_draws(views: Mapping[str, View]) -> NDArray[np.float32]:
    """Means of methods under DRAWS resamplings of seeds and, crossed with them, episodes: (methods, DRAWS).

    The pigeonhole bootstrap of Owen (2007). All methods get the same resampled episodes, so differences of
    rows are paired; seeds, too, are the same from PAIRED_SEEDS on, and each method's own below. Random
    numbers are counter-based (`counter.py`).
    """
    result = np.zeros((len(views), DRAWS), np.float32)
    first = next(iter(views.values()))
    share = weights(first)
    numbers = {name: len(next(iter(view.values()))) for name, view in views.items()}
    rows = [_counts("seeds" + ("" if n >= PAIRED_SEEDS else name), n) for name, n in numbers.items()]
    for task in first:
        arrays = [view[task] for view in views.values()]
        episodes = arrays[0].shape[1]
        order = _order(task)  # another order of the same draws for each task: independent between tasks
        counts = _counts("episodes", episodes)
        found = counts @ np.concatenate(arrays).astype(np.float32).T  # (DRAWS, sum of seeds)
        at = 0
        for i, scores in enumerate(arrays):
            seeds = len(scores)
            part = found[order, at : at + seeds] * rows[i]
            result[i] += np.float32(share[task] / (seeds * episodes)) * part.sum(1)
            at += seeds
    return result


def _seeds(view: View, share: Mapping[str, float]) -> tuple[Part | None, float]:
    """The seeds' part of a view's mean, and the rest that it contains."""
    means = seed_means(view)
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
    """What the episodes (E,) of one task add; ValueError with fewer than two."""
    if len(values) < 2:
        raise ValueError(f"an interval needs at least 2 episodes, got {len(values)}")
    return Part(share**2 * float(values.var(ddof=1)) / len(values), len(values) - 1)


def _add(parts: list[Part]) -> Part:
    """Independent parts together, degrees of freedom after Welch (1947) and Satterthwaite (1946)."""
    total = sum(part.variance for part in parts)
    known = sum(part.variance**2 / part.df for part in parts)
    return Part(total, total**2 / known if known > 0 else parts[0].df)


def _how(view: View) -> str:
    seeds, episodes = next(iter(view.values())).shape
    claim = (
        "new trainings and new episodes" if seeds > 1 else "new episodes; training only once, so not its luck"
    )
    plural = "s" if seeds > 1 else ""
    tasks = f", {len(view)} tasks" if len(view) > 1 else ""
    return f"crossed t interval, {seeds} seed{plural} x {episodes} episodes{tasks}; covers {claim}"


@cache
def _counts(purpose: str, size: int) -> NDArray[np.float32]:
    """How often each of `size` units is drawn in each resample: (DRAWS, size)."""
    counts = np.empty((DRAWS, size), np.float32)
    for first in range(0, DRAWS, CHUNK):
        rows = np.arange(first, min(first + CHUNK, DRAWS))
        bits = counter.words(counter.key("bootstrap", purpose, size), rows, size)
        picked = counter.below(size, bits) + size * np.arange(len(rows))[:, None]
        counts[rows] = np.bincount(picked.ravel(), minlength=len(rows) * size).reshape(len(rows), size)
    return counts


def _order(task: str) -> NDArray[np.int64]:
    """A fixed random order of the draws."""
    bits = counter.words(counter.key("bootstrap order", task), np.arange(DRAWS), 1)[:, 0]
    return np.argsort(bits, kind="stable")
