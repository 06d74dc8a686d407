"""All scores of a submission as JSON with one spelling: the same bytes from the program, the server, the
static site and the check of a pull request.
"""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from leaderboard.bundle.names import canonical
from leaderboard.scoring.scores import SCORER, Scored
from metanas.evaluation.result import Submission
from metanas.evaluation.stats import estimate


def of_scored(scored: Scored) -> bytes:
    """From freshly recomputed scores."""
    accuracies = {task.task: task.right.astype(np.float64) / task.queries for task in scored.tasks}
    return document(scored.submission, accuracies, {task.task: task.summary for task in scored.tasks})


def document(
    submission: Submission,
    accuracies: Mapping[str, NDArray[np.float64]],
    summaries: Mapping[str, Mapping[str, float]],
) -> bytes:
    """accuracies: by task, (S, E)."""
    tasks = {
        task: {
            "interval": asdict(estimate({task: found}).interval()),
            "accuracies": found.tolist(),
            **summaries[task],
        }
        for task, found in accuracies.items()
    }
    return canonical(
        {
            "scorer": SCORER,
            "method": submission.method,
            "predictions_sha256": submission.predictions_sha256,
            "mean": asdict(estimate(accuracies).interval()),
            "tasks": tasks,
        }
    )
