"""Families of methods that give nearly the same answers, so that copies of a row count once. No torch.

A board's ranks say how many methods are better. A hundred variants of one idea, or the same one uploaded
again, would push everyone else down and widen everyone's ranges. Comes before `ranking.py`.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from metanas.evaluation.statistics import Floats, View, weights

NEAR = 0.03  # of accuracy per episode: two trainings, of one method or of two, differ by 0.05 or more
AT_ONCE = 64  # methods, to limit memory


def families(views: Mapping[str, View]) -> dict[str, str]:
    """Each method's family, named by the member that comes first in the mapping; mostly itself.

    A method joins the first family with whose first member it shares at least half of the trainings of
    whichever has fewer. Two trainings are the same one where the root mean square over the episodes of their
    difference is at most NEAR. So it does not matter which seed is called which, nor whether some are left
    out.
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
    rows = np.concatenate([_trainings(view) for view in views.values()])  # (R, E) of all methods
    rows = (rows - rows.mean(0)).astype(np.float32)  # less to cancel
    squares = np.einsum("re,re->r", rows, rows)
    seeds = np.array([len(next(iter(view.values()))) for view in views.values()])
    starts = np.concatenate([[0], np.cumsum(seeds)])
    shared = np.zeros((len(seeds), len(seeds)), dtype=np.int64)  # trainings of row i's that column j has, too
    for first in range(0, len(seeds), AT_ONCE):
        ends = starts[first : first + AT_ONCE + 1]
        some = slice(ends[0], ends[-1])
        distances = squares[some, None] + squares - 2 * rows[some] @ rows.T
        same = np.logical_or.reduceat(distances <= NEAR**2, starts[:-1], axis=1)
        shared[first : first + AT_ONCE] = np.add.reduceat(same, ends[:-1] - ends[0], axis=0, dtype=np.int64)
    half = (2 * shared >= seeds[:, None]) & (seeds[:, None] <= seeds)
    return half | half.T


def _trainings(view: View) -> Floats:
    """A row (S, E) a training, in which squared distances are weighted means over tasks and episodes."""
    share = weights(view)
    parts = [np.sqrt(share[task] / scores.shape[1]) * scores for task, scores in view.items()]
    return np.concatenate(parts, axis=1)
