"""Families of methods that give nearly the same answers, so that copies of a row count once. No torch.

A board's ranks say how many methods are better. A hundred variants of one idea, or the same one uploaded
again, would push everyone else down and widen everyone's ranges. Comes before `ranking.py`.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from metanas.evaluation.statistics import Floats, View, weights

NEAR = 0.03  # of accuracy per episode; trainings of less than 95 % differ by more, of one method or of two
ALIKE = 0.25  # of the variance by which two trainings of the same accuracies differ that share nothing
ROUNDING = 1e-8  # of squared distances in float32
AT_ONCE = 64  # methods, to limit memory


def families(views: Mapping[str, View]) -> dict[str, str]:
    """Each method's family, named by the member that comes first in the mapping; mostly itself.

    A method joins the first family with whose first member it shares at least half of the trainings of
    whichever has fewer. Two trainings are the same one where the root mean square over the episodes of their
    difference is at most NEAR, and its variance at most ALIKE of the sum of both variances. So it does not
    matter which seed is called which, nor whether some are left out.
    """
    near, names = _near(views), list(views)
    np.fill_diagonal(near, True)
    founder = np.zeros(len(names), dtype=bool)
    found: dict[str, str] = {}
    for i, name in enumerate(names):
        first = int((near[i] & founder).argmax())
        if not founder[first] or not near[i, first]:
            first, founder[i] = i, True
        found[name] = names[first]
    return found


def _near(views: Mapping[str, View]) -> NDArray[np.bool_]:
    """Which pairs of methods (M, M) share at least half of the trainings of the one that has fewer."""
    share = weights(next(iter(views.values())))
    parts = [_trainings(view, share) for view in views.values()]
    means, rest = (np.concatenate(rows).astype(np.float32) for rows in zip(*parts, strict=True))
    variances = np.einsum("re,re->r", rest, rest)
    seeds = np.array([len(next(iter(view.values()))) for view in views.values()])
    starts = np.concatenate([[0], np.cumsum(seeds)])
    shared = np.zeros((len(seeds), len(seeds)), dtype=np.int64)  # trainings of row i's that column j has, too
    for first in range(0, len(seeds), AT_ONCE):
        ends = starts[first : first + AT_ONCE + 1]
        some = slice(ends[0], ends[-1])
        both = variances[some, None] + variances
        differing = both - 2 * rest[some] @ rest.T
        apart = ((means[some, None] - means) ** 2).sum(-1)
        near = (differing + apart <= NEAR**2) & (differing <= ALIKE * both + ROUNDING)
        same = np.logical_or.reduceat(near, starts[:-1], axis=1)
        shared[first : first + AT_ONCE] = np.add.reduceat(same, ends[:-1] - ends[0], axis=0, dtype=np.int64)
    half = (2 * shared >= seeds[:, None]) & (seeds[:, None] <= seeds)
    return half | half.T


def _trainings(view: View, share: Mapping[str, float]) -> tuple[Floats, Floats]:
    """A row a training: its task means (S, T) and its episodes without these (S, E).

    Scaled so that sums of squares are means over the episodes of a task, weighted by task.
    """
    means = np.stack([view[task].mean(1) for task in share], 1)
    scale = np.sqrt(list(share.values()))
    parts = [
        scale[t] * (view[task] - means[:, t, None]) / np.sqrt(view[task].shape[1])
        for t, task in enumerate(share)
    ]
    return scale * means, np.concatenate(parts, axis=1)
