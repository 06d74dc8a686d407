"""The ladder (Blum and Hardt, 2015): many tries on public episodes shall not climb by luck.

A new submission of a method takes the place of its owner's older one only if its mean is better by more than
one standard error of their paired difference. Otherwise it is published into the history alone, so a board's
numbers cannot be searched in small steps. Who mends a mistake withdraws the older one first.
"""

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from leaderboard.scoring.scores import Scored
from leaderboard.store.models import Submission
from leaderboard.store.store import published_beside
from metanas.evaluation.stats import difference


def kept_on_the_ladder(session: Session, row: Submission, scored: Scored) -> str | None:
    """The id of the submission that stays on the board; None if the new one, `row`, takes its place."""
    best = session.scalar(select(Submission).where(published_beside(row) & ~Submission.superseded))
    if best is None:
        return None
    new = {task.task: task.accuracies() for task in scored.tasks}
    old = {score.task: score.accuracies() for score in best.scores if score.kind == "pinned"}
    gap = difference(new, old)
    return None if gap.mean > np.sqrt(gap.variance) else best.id
