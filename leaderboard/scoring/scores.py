"""From a bundle's files to its scores: a pure function, the same for the program, the server, the static
site and pull requests.

Nothing that a submitter typed is a score. `score` checks the files with `metanas.evaluation.result`,
which recomputes the labels of the pinned episodes, and counts right answers. The server calls it in a
process of its own (`sandbox.py`). No torch.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaderboard.bundle.names import ARCHITECTURE, Members
from metanas.evaluation import result
from metanas.evaluation.result import Answers, Submission
from metanas.evaluation.scores import score_task

SCORER = "1"  # raised whenever the same predictions would get other scores


@dataclass(frozen=True)
class TaskScore:
    """One task. right: right answers of every seed and episode (S, E), of `queries` each."""

    task: str
    right: NDArray[np.uint16]
    queries: int
    summary: Mapping[str, float]  # macro_f1, log_loss (nats), ece: means over seeds and episodes

    @classmethod
    def of(cls, answers: Answers) -> "TaskScore":
        right = (answers.predicted == answers.labels).sum(2).astype(np.uint16)
        found = score_task(answers)
        summary = {
            "macro_f1": float(found.macro_f1.mean()),
            "log_loss": float(found.log_loss.mean()),
            "ece": float(found.ece.mean()),
        }
        return cls(answers.task.name, right, answers.labels.shape[1], summary)


@dataclass(frozen=True)
class Scored:
    """All that is recomputed of a bundle."""

    submission: Submission
    tasks: tuple[TaskScore, ...]
    architectures: Mapping[str, Any]  # per task, an entry of architecture.json


def score(members: Members) -> Scored:
    """Check and score. ResultError names the file and field of whatever is wrong."""
    checked = result.check(members[result.SUBMISSION], members[result.PREDICTIONS])
    tasks = tuple(TaskScore.of(answers) for answers in checked.answers.values())
    return Scored(checked.submission, tasks, architectures(members.get(ARCHITECTURE)))


def architectures(content: bytes | None) -> dict[str, Any]:
    """Per task, from architecture.json, which is optional. ResultError if it is not what metanas writes."""
    if content is None:
        return {}
    try:
        tasks: dict[str, Any] = dict(json.loads(content)["tasks"])
        return {task: dict(found) for task, found in tasks.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise result.ResultError(f"{ARCHITECTURE}: not what metanas writes: {error!r}") from error
