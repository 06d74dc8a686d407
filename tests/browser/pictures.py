"""Architectures and an adaptation curve for a run folder and its place in a store."""

import json
from pathlib import Path

from sqlalchemy import select

from leaderboard.store.models import Detail, Submission
from leaderboard.store.store import Store
from metanas.evaluation import result
from tests.leaderboard.site import CHOICES, CURVE


def with_architectures(folder: Path) -> None:
    """Write architecture.json with the same choices for every task."""
    tasks = result.read_submission(folder / result.SUBMISSION).tasks
    found = {task.name: {"text": "conv3/relu > gru", **CHOICES} for task in tasks}
    (folder / "architecture.json").write_text(json.dumps({"schema_version": 1, "tasks": found}))


def with_curves(store: Store) -> None:
    """A curve for the first task of every submission."""
    with store.database.write() as session:
        for row in session.scalars(select(Submission)):
            task = row.parsed.tasks[0].name
            session.add(Detail(submission_id=row.id, kind="curve", task=task, text=json.dumps(CURVE)))
