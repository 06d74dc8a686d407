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
from leaderboard.store.store import enter, published_beside
from leaderboard.store.visibility import BACK
from metanas.evaluation.statistics import View, difference


def kept_on_the_ladder(session: Session, row: Submission, scored: Scored) -> str | None:
    """The id of the submission that stays on the board; None if the new one, `row`, goes there."""
    best = session.scalar(select(Submission).where(published_beside(row) & ~Submission.superseded))
    if best is None:
        return None
    new = {task.task: task.accuracies() for task in scored.tasks}
    return None if _better(new, best.accuracies("pinned")) else best.id


def reinstate(session: Session, row: Submission) -> str | None:
    """After `row` left the board: the id of what takes its place, its method's best of before. None if none.

    That is the submission which would stand there had `row` never come: the ladder, climbed again.
    """
    if row.superseded:
        return None
    scored = published_beside(row) & Submission.scores.any()
    others = select(Submission).where(scored).order_by(Submission.accepted, Submission.id)
    best: Submission | None = None
    for other in session.scalars(others):
        if best is None or _better(other.accuracies("pinned"), best.accuracies("pinned")):
            best = other
    if best is None:
        return None
    best.superseded = False
    enter(session, best, "published", f"{BACK}, since {row.id} left it")
    return best.id


def _better(new: View, old: View) -> bool:
    """Whether the mean accuracy is higher by more than one standard error of the paired difference."""
    gap = difference(new, old)
    return bool(gap.mean > np.sqrt(gap.variance))
