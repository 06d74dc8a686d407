"""Near copies: results whose answers agree more than two trainings of one method do.

Two trainings of a method with different seeds answer 50 to 72 % of mini-v1's queries alike, and two methods
on the same seed up to 78 % (the committed results). What lies far beyond that was not trained, but copied
and changed a little, in whatever order of the seeds. `plausibility.py` flags it for a reviewer.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from leaderboard.bundle.scores import Scored
from leaderboard.store.models import Score, Submission, unpacked

ENOUGH, ENOUGH_EPISODES = 1000, 100  # fewest answers of a seed for a comparison; fewest counts
EXCESS = 0.5  # of the way from the agreement of different trainings to being the same
Rows = NDArray[Any]  # (S, N): what each of S trainings answered to N queries, or counts of N episodes


@dataclass(frozen=True)
class Agreement:
    """How much a result agrees with another, as shares of all answers.

    highest: of the two seeds that agree most, whatever their numbers; usual: what two trainings of the
    other method agree in.
    """

    highest: float
    usual: float

    @property
    def is_copy(self) -> bool:
        """Whether it lies far beyond what two trainings of one method reach."""
        return self.highest >= self.usual + EXCESS * (1 - self.usual) and self.highest > self.usual


def agreement(mine: Rows, theirs: Rows) -> Agreement:
    """The agreement of two results on the same queries (S, N) and (T, N).

    With T = 1 the usual agreement is that of the first result's seeds, and with S = 1 too it is unknown: 0.9.
    """
    highest = max(float((a == b).mean()) for a in mine for b in theirs)
    several = theirs if len(theirs) > 1 else mine
    between = [float((a == b).mean()) for a, b in combinations(several, 2)]
    return Agreement(highest, float(np.mean(between)) if between else 0.9)


def copies(session: Session, row: Submission, scored: Scored) -> Iterator[tuple[str, str]]:
    """Flags, as (kind, sentence), for each other method of the track that this result nearly copies."""
    query = (
        select(Submission.id, Submission.method)
        .where((Submission.track == row.track) & (Submission.method != row.method))
        .order_by(Submission.id)
    )
    for other, method in session.execute(query).all():
        if (found := _with(session, other, scored)) is not None and found.is_copy:
            yield (
                "near-duplicate",
                f"agrees with {method} ({other}) in {100 * found.highest:.2f} %, seed by seed; two trainings "
                f"of one method do in about {100 * found.usual:.0f} %",
            )


def _with(session: Session, other: str, scored: Scored) -> Agreement | None:
    """The agreement with a stored submission; None without enough common answers.

    Rows of before 0004 have no answers: there the counts of right ones per episode are compared.
    """
    query = select(Score.task, Score.seeds, Score.right, Score.answers).where(
        (Score.submission_id == other) & (Score.kind == "pinned")
    )
    stored = {task: (seeds, right, answers) for task, seeds, right, answers in session.execute(query)}
    old = any(answers is None for _, _, answers in stored.values())
    mine, theirs = [], []
    for task in scored.tasks:
        if task.task not in stored:
            continue
        seeds, right, answers = stored[task.task]
        ours: Rows = task.right if old else task.answers
        counts: Rows = np.frombuffer(right, "<u2").reshape(seeds, -1)
        them = counts if answers is None or old else unpacked(answers, seeds)
        if ours.shape[1] == them.shape[1]:
            mine.append(ours)
            theirs.append(them)
    if sum(rows.shape[1] for rows in mine) < (ENOUGH_EPISODES if old else ENOUGH):
        return None
    return agreement(np.hstack(mine), np.hstack(theirs))
