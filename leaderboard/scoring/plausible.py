"""Signs that a result is too good, or someone else's. They flag it for a person to look at; none rejects it.

Right answers per episode are compared, which the database has at hand.
"""

import json
from collections.abc import Iterator

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from leaderboard.scoring.scores import Scored
from leaderboard.store.models import Score, Submission

SAME = 0.995  # share of episodes with the same number of right answers
ENOUGH = 100  # episodes below which that share says little
MANY = 1000  # answers of which some are wrong, whoever gives them


def doubts(session: Session, row: Submission, scored: Scored) -> list[tuple[str, str]]:
    """(kind, sentence) of everything a person should look at."""
    return [*_perfect(scored), *_same_seeds(scored), *_declared(row), *_copies(session, row, scored)]


def _perfect(scored: Scored) -> Iterator[tuple[str, str]]:
    for task in scored.tasks:
        if task.right.size * task.queries >= MANY and (task.right == task.queries).all():
            yield "perfect", f"every answer of {task.task} is right"


def _same_seeds(scored: Scored) -> Iterator[tuple[str, str]]:
    """Runs of different seeds do not agree in every count of every task."""
    tasks = [task.right for task in scored.tasks]
    if len(tasks[0]) > 1 and all((right == right[0]).all() for right in tasks):
        if sum(right[0].size for right in tasks) >= ENOUGH and any(np.ptp(right) for right in tasks):
            yield "same-seeds", "all seeds have the same number of right answers in every episode"


def _declared(row: Submission) -> Iterator[tuple[str, str]]:
    """Data or weights from outside the suite that hold test classes, as their entrant says."""
    entry = json.loads(row.entry or "{}")
    tested = {task.domain for task in row.parsed.tasks}
    for outside in (*entry.get("external_data", ()), *entry.get("pretrained_weights", ())):
        if held := sorted(tested & set(outside.get("overlaps_with", ()))):
            yield "test-data", f"{outside['name']} holds test classes of {', '.join(held)}, as declared"


def _copies(session: Session, row: Submission, scored: Scored) -> Iterator[tuple[str, str]]:
    """Nearly the same answers as a submission of another owner on this track."""
    others = (
        (Submission.track == row.track)
        & (Submission.id != row.id)
        & Submission.account_id.is_distinct_from(row.account_id)
    )
    query = (
        select(Submission.method, Score.submission_id, Score.task, Score.seeds, Score.right)
        .join(Score, Score.submission_id == Submission.id)
        .where(others & (Score.kind == "pinned"))
    )
    mine = {task.task: task.right for task in scored.tasks}
    same: dict[tuple[str, str], list[int]] = {}
    for method, other, task, seeds, content in session.execute(query):
        theirs = np.frombuffer(content, "<u2").reshape(seeds, -1)
        if task in mine and mine[task].shape == theirs.shape:
            entry = same.setdefault((method, other), [0, 0])
            entry[0] += int((mine[task] == theirs).sum())
            entry[1] += theirs.size
    for (method, other), (agree, of) in sorted(same.items()):
        if of >= ENOUGH and agree / of > SAME:
            yield "near-duplicate", f"agrees with {method} ({other}) in {100 * agree / of:.1f} % of episodes"
