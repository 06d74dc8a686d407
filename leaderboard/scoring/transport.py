"""Serialisation of scores from the scorer's process to the server: JSON, never pickle, checked on arrival.

`fork_server.py` writes it, `sandbox.py` reads it.
"""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from leaderboard.bundle.names import canonical
from leaderboard.bundle.scores import Scored, TaskScore
from metanas.evaluation import result


class ScorerDied(RuntimeError):
    """The scorer's process ended without a valid answer."""


def to_wire(scored: Scored) -> bytes:
    """Scores as JSON; counts of right answers as base64 of little-endian uint16."""
    tasks = [
        {
            "task": task.task,
            "right": base64.b64encode(np.ascontiguousarray(task.right, "<u2").tobytes()).decode(),
            "answers": base64.b64encode(np.ascontiguousarray(task.answers, "u1").tobytes()).decode(),
            "summary": dict(task.summary),
        }
        for task in scored.tasks
    ]
    shown = {name: dict(getattr(scored, name)) for name in ("architectures", "curves", "gains")}
    return canonical({"tasks": tasks, **shown})


def from_wire(answer: Mapping[str, Any], document: bytes) -> Scored:
    """Scores from the JSON of `to_wire`. ScorerDied if they do not fit `document`, the submission.json."""
    submission = result.parse(document)
    tasks = []
    for task, received in zip(submission.tasks, answer["tasks"], strict=True):
        right = np.frombuffer(base64.b64decode(received["right"]), "<u2").reshape(-1, task.episodes)
        queries = task.ways * task.queries
        if received["task"] != task.name or len(right) != len(submission.seeds) or right.max() > queries:
            raise ScorerDied(f"an answer that does not fit task {task.name}")
        answers = np.frombuffer(base64.b64decode(received["answers"]), "u1").reshape(len(right), -1)
        tasks.append(TaskScore(task.name, right, queries, received["summary"], answers))
    return Scored(submission, tuple(tasks), answer["architectures"], answer["curves"], answer["gains"])
