"""Scores between the scorer's process and the server: JSON, never pickle, and checked on arrival."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from leaderboard.bundle.names import canonical
from leaderboard.scoring.scores import Scored, TaskScore
from metanas.evaluation import result


class ScorerDied(RuntimeError):
    """The scorer ended without an answer that fits."""


def to_wire(scored: Scored) -> bytes:
    """Scores as JSON."""
    tasks = [
        {
            "task": task.task,
            "right": base64.b64encode(np.ascontiguousarray(task.right, "<u2").tobytes()).decode(),
            "summary": dict(task.summary),
        }
        for task in scored.tasks
    ]
    return canonical(
        {"tasks": tasks, "architectures": dict(scored.architectures), "curves": dict(scored.curves)}
    )


def from_wire(answer: Mapping[str, Any], document: bytes) -> Scored:
    """The same back, checked against submission.json. ScorerDied if it does not fit."""
    submission = result.parse(document)
    tasks = []
    for task, found in zip(submission.tasks, answer["tasks"], strict=True):
        right = np.frombuffer(base64.b64decode(found["right"]), "<u2").reshape(-1, task.episodes)
        queries = task.ways * task.queries
        if found["task"] != task.name or len(right) != len(submission.seeds) or right.max() > queries:
            raise ScorerDied(f"an answer that does not fit task {task.name}")
        tasks.append(TaskScore(task.name, right, queries, found["summary"]))
    return Scored(submission, tuple(tasks), answer["architectures"], answer["curves"])
