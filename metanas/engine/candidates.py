"""Ask a method that chooses among candidates for its answers under each of them: what regret follows from.

Comes after `controls.py`, which asks under a few other architectures, and like it needs the answers of all
tasks. A run asks for it only on request (`metanas run --regret`), since it costs one adaptation and the
queries of every episode for each candidate; an episode's own choice is not run again. Same weights, same
episodes, as many adaptation steps. `evaluation/regret.py` keeps the counts.
"""

from collections.abc import Sequence

import numpy as np

from metanas.data.domain import Domain
from metanas.data.episode import EpisodeShape
from metanas.engine.controls import Asked
from metanas.engine.seed_run import ProgressCallback, SeedRun
from metanas.evaluation import regret
from metanas.method import Method, State


def score_candidates(
    seed_run: SeedRun,
    method: Method,
    state: State,
    tasks: Sequence[tuple[Domain, EpisodeShape]],
    report: ProgressCallback,
) -> None:
    """Write what every candidate got on every task that has none yet; nothing for a method without any.

    Several processes share the tasks.
    """
    if not seed_run.regret:
        return
    asked = Asked(seed_run, method, state, tasks, seed_run.path)
    for index, name in asked.left(regret.path_of):
        report(f"candidates of {name}", seed_run.config.budget.eval_episodes * len(tasks))
        if answers := asked.under_candidates(index):
            labels = asked.labels(index)
            right = np.stack([(given == labels).sum(1) for given in answers])  # (K, E)
            regret.keep(seed_run.path, name, seed_run.seed, right)
