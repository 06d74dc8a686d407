"""The Ladder mechanism (Blum and Hardt, 2015) against overfitting the pinned episodes by many submissions.

A new submission of a method replaces the current one on the board only if its mean accuracy is higher by more
than one standard error of their paired difference. Otherwise it appears only in the method's history. To
correct a mistake, the owner withdraws the older submission first.
"""

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from leaderboard.bundle.scores import Scored
from leaderboard.store.models import Submission
from leaderboard.store.store import published_beside
from metanas.evaluation.statistics import difference


def kept_on_the_ladder(session: Session, row: Submission, scored: Scored) -> str | None:
    """The id of the submission that stays on the board; None if the new one, `row`, goes there."""
    best = session.scalar(select(Submission).where(published_beside(row) & ~Submission.superseded))
    if best is None:
        return None
    new = {task.task: task.accuracies() for task in scored.tasks}
    old = {score.task: score.accuracies() for score in best.scores if score.kind == "pinned"}
    gap = difference(new, old)
    return None if gap.mean > np.sqrt(gap.variance) else best.id
