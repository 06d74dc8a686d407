"""Plausibility checks of scores: perfect tasks, identical seeds, declared test data, near copies.

A sign of trouble flags the submission for a reviewer; nothing is rejected. The checks compare the numbers of
right answers per seed and episode, (S, E), which the database stores. `worker.py` calls them.
"""

import json
from collections.abc import Iterator

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from leaderboard.bundle.scores import Scored
from leaderboard.store.models import Score, Submission

SAME = 0.995  # largest share of episodes with equally many right answers as another submission
ENOUGH = 100  # fewest episodes for such a comparison
MANY = 1000  # fewest answers for which no errors at all are suspicious


def doubts(session: Session, row: Submission, scored: Scored) -> list[tuple[str, str]]:
    """The flags to set, as (kind, sentence). row: the submission; empty if nothing is suspicious."""
    return [*_perfect(scored), *_same_seeds(scored), *_declared(row), *_copies(session, row, scored)]


def _perfect(scored: Scored) -> Iterator[tuple[str, str]]:
    for task in scored.tasks:
        if task.right.size * task.queries >= MANY and (task.right == task.queries).all():
            yield "perfect", f"every answer of {task.task} is right"


def _same_seeds(scored: Scored) -> Iterator[tuple[str, str]]:
    """Different seeds whose counts agree in every episode of every task."""
    tasks = [task.right for task in scored.tasks]
    if len(tasks[0]) > 1 and all((right == right[0]).all() for right in tasks):
        if sum(right[0].size for right in tasks) >= ENOUGH and any(np.ptp(right) for right in tasks):
            yield "same-seeds", "all seeds have the same number of right answers in every episode"


def _declared(row: Submission) -> Iterator[tuple[str, str]]:
    """External data or weights that contain meta-test classes, as declared in entry.json."""
    entry = json.loads(row.entry or "{}")
    tested = {task.domain for task in row.parsed.tasks}
    for outside in (*entry.get("external_data", ()), *entry.get("pretrained_weights", ())):
        if overlap := sorted(tested & set(outside.get("overlaps_with", ()))):
            yield "test-data", f"{outside['name']} holds test classes of {', '.join(overlap)}, as declared"


def _copies(session: Session, row: Submission, scored: Scored) -> Iterator[tuple[str, str]]:
    """Nearly the same counts as a submission of another owner on this track."""
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
    same: dict[tuple[str, str], list[int]] = {}  # equal episodes, all episodes
    for method, other, task, seeds, content in session.execute(query):
        theirs = np.frombuffer(content, "<u2").reshape(seeds, -1)
        if task in mine and mine[task].shape == theirs.shape:
            counts = same.setdefault((method, other), [0, 0])
            counts[0] += int((mine[task] == theirs).sum())
            counts[1] += theirs.size
    for (method, other), (agree, n) in sorted(same.items()):
        if n >= ENOUGH and agree / n > SAME:
            yield "near-duplicate", f"agrees with {method} ({other}) in {100 * agree / n:.1f} % of episodes"
