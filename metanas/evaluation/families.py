"""Families of methods that give nearly the same answers, so that copies of a row count once. No torch.

A board's ranks say how many methods are better. A hundred variants of one idea, or the same one uploaded
again, would push everyone else down and widen everyone's ranges. Comes before `ranking.py`.
"""

from collections.abc import Mapping

import numpy as np

from metanas.evaluation.statistics import Floats, View, weights

NEAR = 0.02  # of accuracy: per training and episode, two trainings of one method differ by 0.05 or more


def families(views: Mapping[str, View]) -> dict[str, str]:
    """Each method's family, named by the member that comes first in the mapping; mostly itself.

    A method joins the first family from whose first member it differs by at most NEAR: the root mean square
    over the episodes of the difference of their means over the seeds, times the root of the number of seeds
    (of the fewer), which makes it one of single trainings. It does not matter which seed is called which.
    """
    distance, names, found = _distances(views), list(views), dict[str, str]()
    founders: list[int] = []
    for i, name in enumerate(names):
        near = next((j for j in founders if distance[i, j] <= NEAR), i)
        if near == i:
            founders.append(i)
        found[name] = names[near]
    return found


def _distances(views: Mapping[str, View]) -> Floats:
    """Root mean square differences (M, M) of the methods, per training."""
    share, squares = weights(next(iter(views.values()))), np.zeros((len(views), len(views)))
    for task, weight in share.items():
        episodes = np.stack([view[task].mean(0) for view in views.values()])  # (M, E)
        episodes = episodes - episodes.mean(0)  # less to cancel
        products = episodes @ episodes.T
        own = np.diag(products)
        squares += weight * (own[:, None] + own - 2 * products) / episodes.shape[1]
    seeds = np.array([len(next(iter(view.values()))) for view in views.values()])
    fewer = np.minimum(seeds[:, None], seeds)
    distances: Floats = np.sqrt(np.maximum(squares, 0) * fewer)
    return distances
