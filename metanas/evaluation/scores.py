"""What a result is worth: every score, recomputed from the kept answers and the pinned labels. No torch.

`score(result.read(folder).answers)` is all that a page or a table needs of one submission. Comes after
result.py; uses stats.py for intervals. Probabilities were stored as float16, so none is smaller than 2^-24:
a zero counts as that in the log-loss.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats as distributions

from metanas.episode import Ints
from metanas.evaluation.result import Answers, Task
from metanas.evaluation.stats import (
    Floats,
    Interval,
    View,
    bootstrap,
    domain_of,
    estimate,
    seed_interval,
    weights,
)

LEAST_PROBABILITY = 2.0**-24
BINS = 15  # of the calibration error, as in Guo et al. (2017)


@dataclass(frozen=True)
class TaskScores:
    """One task's scores; (S, E) per seed and episode, (S,) per seed. All but `ece` are means of episodes."""

    task: Task
    accuracy: Floats  # (S, E)
    macro_f1: Floats  # (S, E), mean over the episode's classes
    log_loss: Floats  # (S, E), nats
    ece: Floats  # (S,)

    @property
    def chance_normalised(self) -> Floats:
        """0 at chance, 1 at perfect (S, E)."""
        return (self.accuracy - 1 / self.task.ways) / (1 - 1 / self.task.ways)


@dataclass(frozen=True)
class Scores:
    """A submission's scores. Means give every domain, and within it every task, the same weight."""

    tasks: Mapping[str, TaskScores]

    def view(self, score: str = "accuracy") -> View:
        """One score as a mapping task -> (S, E), which stats.py, paired.py and ranking.py take."""
        return {name: getattr(found, score) for name, found in self.tasks.items()}

    def mean(self, score: str = "accuracy") -> Interval:
        """Of accuracy, chance_normalised, macro_f1 or log_loss, over all tasks."""
        return estimate(self.view(score)).interval()

    def task_interval(self, task: str, score: str = "accuracy") -> Interval:
        """Of one task."""
        return estimate({task: self.view(score)[task]}).interval()

    def beside(self) -> dict[str, Interval]:
        """Other intervals of the mean accuracy, to be shown beside `mean`: bootstrap, t over seeds."""
        view = self.view()
        seeds = seed_interval(view)
        return {"bootstrap": bootstrap(view)} | ({} if seeds is None else {"seeds": seeds})

    @property
    def ece(self) -> float:
        """Expected calibration error of the top class, BINS equal bins, mean over seeds and tasks."""
        share = weights(self.view())
        return float(sum(share[name] * found.ece.mean() for name, found in self.tasks.items()))

    @property
    def worst_domain(self) -> tuple[str, float]:
        """The domain with the lowest mean accuracy (its tasks alike). Of means, so chosen with hindsight."""
        domains: dict[str, list[float]] = {}
        for name, found in self.tasks.items():
            domains.setdefault(domain_of(name), []).append(float(found.accuracy.mean()))
        means = {domain: float(np.mean(values)) for domain, values in domains.items()}
        worst = min(means, key=lambda domain: (means[domain], domain))
        return worst, means[worst]

    @property
    def iqm(self) -> float:
        """Interquartile mean of chance-normalised accuracy over tasks x seeds (Agarwal et al., 2021)."""
        values = np.concatenate([found.chance_normalised.mean(1) for found in self.tasks.values()])
        return float(distributions.trim_mean(values, 0.25))


def score(answers: Mapping[str, Answers]) -> Scores:
    """Every score of a submission, a pure function of its answers."""
    return Scores({name: score_task(found) for name, found in answers.items()})


def score_task(answers: Answers) -> TaskScores:
    """Every score of one task."""
    probabilities = answers.probabilities / answers.probabilities.sum(-1, keepdims=True)
    labels = np.broadcast_to(answers.labels, answers.predicted.shape)
    right = answers.predicted == labels
    true = np.take_along_axis(probabilities, labels[..., None], axis=-1)[..., 0]
    return TaskScores(
        answers.task,
        right.mean(2),
        macro_f1(answers.predicted, labels, answers.task.ways),
        -np.log(np.maximum(true, LEAST_PROBABILITY)).mean(2, dtype=np.float64),
        np.array([calibration_error(p.max(-1), r) for p, r in zip(probabilities, right, strict=True)]),
    )


def macro_f1(predicted: Ints, labels: Ints, ways: int) -> Floats:
    """Mean over classes of 2 hits / (answers + questions), per episode: (S, E, Q) twice -> (S, E)."""
    total = np.zeros(predicted.shape[:2])
    for way in range(ways):
        answered, asked = predicted == way, labels == way
        total += 2 * (answered & asked).sum(2) / np.maximum(answered.sum(2) + asked.sum(2), 1)
    return total / ways


def calibration_error(confidence: Floats, right: Floats) -> float:
    """Expected calibration error (Naeini et al., 2015): mean of |accuracy - confidence| by bin."""
    bins = np.minimum((confidence.ravel() * BINS).astype(np.int64), BINS - 1)
    gap = np.bincount(bins, right.ravel() - confidence.ravel().astype(np.float64), BINS)
    return float(np.abs(gap).sum() / confidence.size)
