"""Scores of a bundle, computed from its predictions: a pure function of its files, without torch.

`score` checks the files with `metanas.evaluation.result`, which recomputes the labels of the episodes, and
counts right answers; no score that a submitter wrote is used. Command line, static site and pull requests
call it directly, the server in a restricted process (`sandbox.py`). Next: `document.py` gives scores as JSON.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaderboard.bundle.names import ARCHITECTURE, CURVES, Members
from leaderboard.bundle.recount import Recount, recount
from metanas.base import json_text
from metanas.evaluation import controls, regret, result
from metanas.evaluation.curves import grids
from metanas.evaluation.gains import Answers as Asked
from metanas.evaluation.gains import gains as gains_of
from metanas.evaluation.result import Answers, Result, ResultError, Submission
from metanas.evaluation.scores import score_task
from metanas.evaluation.statistics import estimate

ANSWERS_MOST = 4096  # per task and seed, kept for comparisons
SCORER = "1"  # version, raised whenever the same predictions would get other scores


@dataclass(frozen=True)
class TaskScore:
    """Scores of one task. right: numbers of right answers (S, E): seeds, episodes; queries: per episode.

    answers: the predicted classes, modulo 256, of every so many-th query, (S, N), N <= ANSWERS_MOST: what
    near copies are found by (`scoring/copies.py`).
    """

    task: str
    right: NDArray[np.uint16]
    queries: int
    summary: Mapping[str, float]  # macro_f1, log_loss (nats), ece: means over seeds and episodes
    answers: NDArray[np.uint8]

    @classmethod
    def of(cls, answers: Answers) -> "TaskScore":
        """The scores of checked answers."""
        right = (answers.predicted == answers.labels).sum(2).astype(np.uint16)
        metrics = score_task(answers)
        summary = {
            "macro_f1": float(metrics.macro_f1.mean()),
            "log_loss": float(metrics.log_loss.mean()),
            "ece": float(metrics.ece.mean()),
        }
        flat = answers.predicted.reshape(len(right), -1)
        some = (flat[:, :: -(-flat.shape[1] // ANSWERS_MOST)] % 256).astype(np.uint8)
        return cls(answers.task.name, right, answers.labels.shape[1], summary, some)

    def accuracies(self) -> NDArray[np.float64]:
        """Share of right answers (S, E), fractions of 1."""
        return self.right.astype(np.float64) / self.queries


@dataclass(frozen=True)
class Scored:
    """Everything that is computed from a bundle: scores, and what its pages show."""

    submission: Submission
    tasks: tuple[TaskScore, ...]
    architectures: Mapping[str, Any]  # per task, an entry of architecture.json
    curves: Mapping[str, Mapping[str, Any]]  # per task: steps, mean, low, high
    gains: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # see `gains`

    @cached_property
    def recount(self) -> Recount | None:
        """The costs that follow from the architectures; None where they cannot be recounted."""
        return recount(self.submission, self.architectures)


def score(members: Members, *, secret: int = 0) -> Scored:
    """Check and score a bundle. ResultError names the file and field of whatever is wrong.

    secret: the evaluation seed that the labels follow from: 0 for the pinned episodes, a challenge's own
    (`sealing.number_of`) for its fresh ones.
    """
    checked = result.check(members[result.SUBMISSION], members[result.PREDICTIONS], evaluation_seed=secret)
    tasks = tuple(TaskScore.of(answers) for answers in checked.answers.values())
    curve = curves(members.get(CURVES), checked) if not secret else {}
    gained = gains(members, checked) if not secret else {}
    return Scored(checked.submission, tasks, architectures(members.get(ARCHITECTURE)), curve, gained)


def gains(members: Members, checked: Result) -> dict[str, dict[str, Any]]:
    """What adapting the architecture does, by domain and figure (`evaluation/gains.py`): interval and p.

    Empty without controls.parquet and candidates.parquet. ResultError if one does not fit the submission.
    Their counts are what the entrant's run counted; nothing here can recompute them.
    """
    submission = checked.submission
    asked, candidates = (
        kept.parse(members[file], submission.tasks, submission.seeds) if file in members else {}
        for kept, file in ((controls, controls.CONTROLS), (regret, regret.CANDIDATES))
    )
    own = {name: answers.accuracy for name, answers in checked.answers.items()}
    found: dict[str, dict[str, Any]] = {}
    for gain in gains_of({submission.method: Asked(own, asked, candidates)}):
        found.setdefault(gain.domain, {})[gain.figure] = {**asdict(gain.difference), "p": gain.p}
    return found


def curves(content: bytes | None, checked: Result) -> dict[str, dict[str, list[float]]]:
    """Accuracy after each number of steps, by task, with 95 % intervals; empty without a curves.parquet.

    ResultError for tasks, seeds or episodes that are not the submission's, or a curve that contradicts the
    predictions at the number of steps that these were made with.
    """
    by_task: dict[str, dict[str, list[float]]] = {}
    submission = checked.submission
    for (name, steps), grid in (grids(content) if content is not None else {}).items():
        answers = checked.answers.get(name)
        if answers is None:
            raise ResultError(f"{CURVES}: task: {name!r:.80} is not in {result.SUBMISSION}")
        seeds, episodes = grid.axes
        if unknown := set(seeds) - set(submission.seeds):
            raise ResultError(f"{CURVES}: {name}: seed {min(unknown)} was not asked for")
        if episodes[0] < 0 or episodes[-1] >= answers.task.episodes:
            raise ResultError(f"{CURVES}: {name}: episode {episodes[-1]} was not asked for")
        ours = answers.accuracy[[submission.seeds.index(seed) for seed in seeds]][:, list(episodes)]
        if steps == submission.settings.get("test_steps") and not np.allclose(grid.accuracy, ours, atol=1e-6):
            raise ResultError(
                f"{CURVES}: {name}: after {steps} steps it is not what {result.PREDICTIONS} gives"
            )
        interval = estimate({name: grid.accuracy}).interval()
        curve = by_task.setdefault(name, {"steps": [], "mean": [], "low": [], "high": []})
        for key, value in zip(curve, (steps, interval.mean, interval.low, interval.high), strict=True):
            curve[key].append(value)
    return by_task


def architectures(content: bytes | None) -> dict[str, Any]:
    """The entries of architecture.json by task; empty without one. ResultError if it is malformed."""
    if content is None:
        return {}
    try:
        tasks: dict[str, Any] = dict(json_text.loads(content)["tasks"])
        return {task: dict(entry) for task, entry in tasks.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise result.ResultError(f"{ARCHITECTURE}: not what metanas writes: {error!r}") from error
