"""Methods in order, with rank ranges where the data cannot tell, and tests over many tasks. No torch.

Comes after paired.py. `Ranked.first..last` is what may be said; the order of the means is only for sorting.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from metanas.evaluation.many import intervals, significantly_better
from metanas.evaluation.paired import LEVEL
from metanas.evaluation.stats import Floats, Interval, View

LEAST_TASKS = 5  # below this a Friedman test cannot find anything


@dataclass(frozen=True)
class Ranked:
    """A method's place in a view: its mean, and the ranks it may have at a family-wise 5 %."""

    name: str
    mean: Interval
    first: int  # 1 + number of methods significantly better
    last: int  # number of methods that are not significantly worse

    @property
    def ranks(self) -> str:
        return rank_range(self.first, self.last)


def rank_range(first: int, last: int) -> str:
    """1, or 2\u20133 where the data cannot tell."""
    return str(first) if first == last else f"{first}\u2013{last}"


@dataclass(frozen=True)
class Friedman:
    """Friedman's (1937) test of equal methods over tasks, and Nemenyi's critical difference of mean ranks.

    Demsar (2006). Tasks are the blocks: a domain's 1-shot and 5-shot tasks count as two although they are
    related, and with few tasks it finds little. `groups`: sets of methods, by mean rank, none of which
    differ by the critical difference.
    """

    statistic: float
    p: float
    mean_ranks: Mapping[str, float]  # 1 is best
    critical_difference: float
    groups: tuple[tuple[str, ...], ...]
    tasks: int


def rank(views: Mapping[str, View]) -> list[Ranked]:
    """Methods by mean, best first, with rank ranges by Holm's test over all pairs (`many.py`)."""
    better = significantly_better(views, LEVEL)  # [i, j]: j than i
    ranked = [
        Ranked(name, interval, 1 + int(better[i].sum()), len(views) - int(better[:, i].sum()))
        for i, (name, interval) in enumerate(zip(views, intervals(views), strict=True))
    ]
    return sorted(ranked, key=lambda r: (-r.mean.mean, r.name))


def task_ranks(views: Mapping[str, View]) -> dict[str, Floats]:
    """The rank of every method on every task, 1 the best, ties share the mean rank."""
    from scipy.stats import rankdata  # half a second to import; a server needs none of it

    tasks = list(next(iter(views.values())))
    means = np.array([[view[task].mean() for task in tasks] for view in views.values()])
    ranks = rankdata(-means, axis=0)
    return dict(zip(views, ranks, strict=True))


def friedman(views: Mapping[str, View]) -> Friedman | None:
    """None with fewer than 3 methods or LEAST_TASKS tasks, where the test means nothing."""
    from scipy import stats as distributions  # half a second to import; a server needs none of it

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
    """Longest runs of the order that lie within the critical difference."""
    order = sorted(means, key=lambda name: (means[name], name))
    found: list[tuple[str, ...]] = []
    for i, first in enumerate(order):
        run = tuple(name for name in order[i:] if means[name] - means[first] < critical)
        if len(run) > 1 and not any(set(run) <= set(other) for other in found):
            found.append(run)
    return tuple(found)
