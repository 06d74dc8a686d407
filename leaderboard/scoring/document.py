"""The scores of a submission as canonical JSON: the same bytes from `metanas score`, the server, the static
site and the check of a pull request.

Comes after `scores.py`, which computes them.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaderboard.bundle.names import canonical
from leaderboard.bundle.scores import SCORER, Scored
from metanas.evaluation.result import Submission
from metanas.evaluation.statistics import estimate


def of_scored(scored: Scored) -> bytes:
    """The JSON of newly computed scores."""
    accuracies = {task.task: task.right.astype(np.float64) / task.queries for task in scored.tasks}
    summaries = {task.task: task.summary for task in scored.tasks}
    return document(scored.submission, accuracies, summaries, scored.gains)


def document(
    submission: Submission,
    accuracies: Mapping[str, NDArray[np.float64]],
    summaries: Mapping[str, Mapping[str, float]],
    gains: Mapping[str, Mapping[str, Any]],
) -> bytes:
    """The JSON of stored scores: means with 95 % intervals, overall and per task, and all accuracies.

    accuracies: by task, (S, E): seeds, episodes; summaries: see `TaskScore.summary`. gains: see
    `scores.gains`; a submission without controls has none, and then there is no such field.
    """
    tasks = {
        task: {
            "interval": asdict(estimate({task: accuracy}).interval()),
            "accuracies": accuracy.tolist(),
            **summaries[task],
        }
        for task, accuracy in accuracies.items()
    }
    return canonical(
        {
            "scorer": SCORER,
            "method": submission.method,
            "predictions_sha256": submission.predictions_sha256,
            "mean": asdict(estimate(accuracies).interval()),
            "tasks": tasks,
            **({"architecture": dict(gains)} if gains else {}),
        }
    )
