"""Rankings: methods by mean, with the ranks that each may have and its distance to the best. No torch.

Comes after `one_to_many.py`, which has the statistics. The range `Ranked.first..last` is what the data
supports; the order of the means is only for sorting. Also Friedman's test over tasks.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from metanas.evaluation.batch_intervals import intervals
from metanas.evaluation.families import families
from metanas.evaluation.one_to_many import Lead, OneToMany, Resolution
from metanas.evaluation.paired import LEVEL
from metanas.evaluation.statistics import Floats, Interval, View

LEAST_TASKS = 5  # with fewer, Friedman's test has no power


@dataclass(frozen=True)
class Ranked:
    """A method's mean, the ranks it may have, and its difference to the best of all others.

    Families of near-identical methods (`families.py`) count once, and their members share ranks, `to_best`
    and `best`. With 95 % confidence each range of ranks holds, and so do the `to_best` of all at once.
    """

    name: str
    mean: Interval
    first: int  # 1 + number of families significantly better
    last: int  # number of families that are not significantly worse, its own included
    to_best: Interval  # simultaneous, see `OneToMany.to_best`; [low, 0] if it cannot be the best
    best: bool  # whether it may be the best
    family: str  # the first method of its family, mostly itself
    correlation: float  # of its comparisons with the others, mean (`OneToMany.correlation`)

    @property
    def ranks(self) -> str:
        """The range as text, see `rank_range`."""
        return rank_range(self.first, self.last)

    @property
    def verdict(self) -> str:
        """Whether it may be the best, in words."""
        if not self.best:
            return "not the best"
        return "may be the best, alone" if self.to_best.high > self.to_best.low >= 0 else "may be the best"


@dataclass(frozen=True)
class Ranking:
    """Methods by mean, best first, and what differences their numbers of seeds and episodes can tell."""

    methods: tuple[Ranked, ...]
    resolution: Resolution | None  # None with one family
    lead: Lead | None  # the first family against the second; None with one


def rank_range(first: int, last: int) -> str:
    """A range of ranks as text: 1, or 2\u20133 where methods do not differ significantly."""
    return str(first) if first == last else f"{first}\u2013{last}"


@dataclass(frozen=True)
class Friedman:
    """Friedman's (1937) test that all methods are equal, and Nemenyi's critical difference of mean ranks.

    After Demsar (2006). Tasks are the blocks: a domain's 1-shot and 5-shot tasks count as two although they
    are related, and with few tasks the test has little power. groups: maximal sets of methods, in order of
    mean rank, that differ by less than the critical difference.
    """

    statistic: float
    p: float
    mean_ranks: Mapping[str, float]  # 1 is best
    critical_difference: float
    groups: tuple[tuple[str, ...], ...]
    tasks: int


def rank(views: Mapping[str, View]) -> Ranking:
    """Methods by mean, with ranks and differences to the best. Of a family its first member is compared.

    views: at least one, all with the same tasks and episodes.
    """
    family = families(views)
    compared = OneToMany({name: views[name] for name in dict.fromkeys(family.values())})
    first, last = compared.ranks(LEVEL)
    low, high, best = compared.to_best(LEVEL)
    gap = compared.to_best_other()
    place = {name: i for i, name in enumerate(compared.names)}
    how = f"minus the best of {len(place) - 1} others, simultaneous (MCB)"
    ranked = [
        Ranked(
            name,
            interval,
            int(first[i]),
            int(last[i]),
            Interval(float(gap[i]), float(low[i]), float(high[i]), how),
            bool(best[i]),
            family[name],
            float(compared.correlation[i]),
        )
        for name, interval in zip(views, intervals(views), strict=True)
        for i in [place[family[name]]]
    ]
    ordered = sorted(ranked, key=lambda r: (-r.mean.mean, r.name))
    return Ranking(tuple(ordered), compared.resolution(LEVEL), compared.lead(LEVEL))


def task_ranks(views: Mapping[str, View]) -> dict[str, Floats]:
    """The rank of every method on every task (tasks,), 1 is best, ties share the mean rank."""
    from scipy.stats import rankdata  # half a second to import, and a server never calls this

    tasks = list(next(iter(views.values())))
    means = np.array([[view[task].mean() for task in tasks] for view in views.values()])
    ranks = rankdata(-means, axis=0)
    return dict(zip(views, ranks, strict=True))


def friedman(views: Mapping[str, View]) -> Friedman | None:
    """Friedman's test of the methods; None with fewer than 3 methods or LEAST_TASKS tasks."""
    from scipy import stats as distributions  # half a second to import, and a server never calls this

    ranks = task_ranks(views)
    tasks = len(next(iter(ranks.values())))
    if len(ranks) < 3 or tasks < LEAST_TASKS:
        return None
    means = {name: float(row.mean()) for name, row in ranks.items()}
    if len(set(map(tuple, np.array(list(ranks.values())).T))) == 1 and len(set(means.values())) == 1:
        statistic, p = 0.0, 1.0  # all tied everywhere
    else:
        statistic, p = map(float, distributions.friedmanchisquare(*(-row for row in ranks.values())))
    methods = len(ranks)
    quantile = float(distributions.studentized_range.isf(LEVEL, methods, np.inf)) / np.sqrt(2)
    critical = float(quantile * np.sqrt(methods * (methods + 1) / (6 * tasks)))
    return Friedman(statistic, p, means, critical, _groups(means, critical), tasks)


def _groups(means: Mapping[str, float], critical: float) -> tuple[tuple[str, ...], ...]:
    """Maximal runs of methods in order of mean rank that lie within the critical difference."""
    order = sorted(means, key=lambda name: (means[name], name))
    groups: list[tuple[str, ...]] = []
    for i, first in enumerate(order):
        run = tuple(name for name in order[i:] if means[name] - means[first] < critical)
        if len(run) > 1 and not any(set(run) <= set(other) for other in groups):
            groups.append(run)
    return tuple(groups)
