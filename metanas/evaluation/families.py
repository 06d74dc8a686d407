"""Families of methods that give nearly the same answers, so that copies of a row count once. No torch.

A board's ranks say how many methods are better. A hundred variants of one idea, or the same one uploaded
again, would push everyone else down and widen everyone's ranges. Comes before `ranking.py`.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from metanas.evaluation.statistics import Floats, View, weights

NEAR = 0.02  # of accuracy: per training and episode, two trainings of one method differ by 0.05 or more


def families(views: Mapping[str, View]) -> dict[str, str]:
    """Each method's family, named by the member that comes first in the mapping; mostly itself.

    A method joins the first family from whose first member it differs by at most NEAR: the root mean square
    over the episodes of the difference of their means over the seeds, times the root of the number of seeds
    (of the fewer), which makes it one of single trainings. It does not matter which seed is called which.
    """
    near, names = _distances(views) <= NEAR, list(views)
    np.fill_diagonal(near, True)
    founder = np.zeros(len(names), dtype=bool)
    found: dict[str, str] = {}
    for i, name in enumerate(names):
        first = int((near[i] & founder).argmax())
        if not founder[first] or not near[i, first]:
            first, founder[i] = i, True
        found[name] = names[first]
    return found


def _distances(views: Mapping[str, View]) -> Floats:
    """Root mean square differences (M, M) of the methods, per training."""
    share, squares = weights(next(iter(views.values()))), np.zeros((len(views), len(views)))
    for task, weight in share.items():
        episodes = _episode_means([view[task] for view in views.values()])  # (M, E)
        episodes = episodes - episodes.mean(0)  # less to cancel
        products = episodes @ episodes.T
        own = np.diag(products)
        squares += weight * (own[:, None] + own - 2 * products) / episodes.shape[1]
    seeds = np.array([len(next(iter(view.values()))) for view in views.values()])
    fewer = np.minimum(seeds[:, None], seeds)
    distances: Floats = np.sqrt(np.maximum(squares, 0) * fewer)
    return distances


def _episode_means(scores: Sequence[Floats]) -> Floats:
    """Means over the seeds, (M, E), of M methods' scores, each (S, E); S may differ."""
    if len({len(each) for each in scores}) == 1:
        return np.stack(scores).mean(1)
    return np.stack([each.mean(0) for each in scores])
