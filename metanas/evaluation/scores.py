"""Scores of a result, recomputed from the stored predictions and the pinned labels. No torch.

`score(result.read(folder).answers)` gives everything that a page or a table needs of one submission. Comes
after `result.py`; intervals are from `statistics.py`. Probabilities are stored as float16, whose smallest
positive value is 2^-24: the log loss takes a stored zero as that.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from metanas.data.episode import Ints
from metanas.evaluation.result import Answers, Task
from metanas.evaluation.statistics import (
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
BINS = 15  # of the calibration error (Guo et al., 2017)


@dataclass(frozen=True)
class TaskScores:
    """One task's scores, per seed and episode (S, E) or per seed (S,)."""

    task: Task
    accuracy: Floats  # (S, E)
    macro_f1: Floats  # (S, E), mean over the episode's classes
    log_loss: Floats  # (S, E), nats
    ece: Floats  # (S,), expected calibration error

    @property
    def chance_normalised(self) -> Floats:
        """Accuracy rescaled to 0 at chance and 1 at perfect (S, E)."""
        chance = 1 / _ways(self.task)
        return (self.accuracy - chance) / (1 - chance)


@dataclass(frozen=True)
class Scores:
    """A submission's scores. Means give every domain, and within it every task, the same weight."""

    tasks: Mapping[str, TaskScores]

    def view(self, score: str = "accuracy") -> View:
        """One score as a mapping task -> (S, E), as `statistics`, `paired` and `ranking` take it."""
        return {name: getattr(task, score) for name, task in self.tasks.items()}

    def mean(self, score: str = "accuracy") -> Interval:
        """Mean of accuracy, chance_normalised, macro_f1 or log_loss over all tasks, with its interval."""
        return estimate(self.view(score)).interval()

    def task_interval(self, task: str, score: str = "accuracy") -> Interval:
        """Mean of one task, with its interval."""
        return estimate({task: self.view(score)[task]}).interval()

    def beside(self) -> dict[str, Interval]:
        """Other intervals of the mean accuracy, for comparison: "bootstrap", and "seeds" (t over seeds)."""
        view = self.view()
        seeds = seed_interval(view)
        return {"bootstrap": bootstrap(view)} | ({} if seeds is None else {"seeds": seeds})

    @property
    def ece(self) -> float:
        """Expected calibration error of the top class, BINS equal bins, mean over seeds and tasks."""
        share = weights(self.view())
        return float(sum(share[name] * task.ece.mean() for name, task in self.tasks.items()))

    @property
    def worst_domain(self) -> tuple[str, float]:
        """The domain with the lowest mean accuracy, and that mean (a minimum, so biased downwards)."""
        domains: dict[str, list[float]] = {}
        for name, task in self.tasks.items():
            domains.setdefault(domain_of(name), []).append(float(task.accuracy.mean()))
        means = {domain: float(np.mean(values)) for domain, values in domains.items()}
        worst = min(means, key=lambda domain: (means[domain], domain))
        return worst, means[worst]

    @property
    def iqm(self) -> float:
        """Interquartile mean of chance-normalised accuracy over tasks x seeds (Agarwal et al., 2021)."""
        from scipy.stats import trim_mean  # half a second to import, and a server never calls this

        values = np.concatenate([task.chance_normalised.mean(1) for task in self.tasks.values()])
        return float(trim_mean(values, 0.25))


def score(answers: Mapping[str, Answers]) -> Scores:
    """All scores of a submission, a pure function of its answers by task name."""
    return Scores({name: score_task(task) for name, task in answers.items()})


def score_task(answers: Answers) -> TaskScores:
    """All scores of one task."""
    probabilities = answers.probabilities / answers.probabilities.sum(-1, keepdims=True)
    labels = np.broadcast_to(answers.labels, answers.predicted.shape)
    right = answers.predicted == labels
    true = np.take_along_axis(probabilities, labels[..., None], axis=-1)[..., 0]
    return TaskScores(
        answers.task,
        right.mean(2),
        macro_f1(answers.predicted, labels, _ways(answers.task)),
        -np.log(np.maximum(true, LEAST_PROBABILITY)).mean(2, dtype=np.float64),
        np.array([calibration_error(p.max(-1), r) for p, r in zip(probabilities, right, strict=True)]),
    )


def _ways(task: Task) -> "int | Ints":
    """The ways of all its episodes, or of each (E,) where they are drawn."""
    return task.ways if task.fewest_ways is None else task.ways_each


def macro_f1(predicted: Ints, labels: Ints, ways: "int | Ints") -> Floats:
    """Mean over an episode's classes of the F1 score: predicted, labels (S, E, Q), ways (E,) to (S, E)."""
    total = np.zeros(predicted.shape[:2])
    for way in range(int(np.max(ways))):
        positive, true = predicted == way, labels == way
        total += 2 * (positive & true).sum(2) / np.maximum(positive.sum(2) + true.sum(2), 1)
    return total / ways


def calibration_error(confidence: Floats, right: Floats) -> float:
    """Expected calibration error (Naeini et al., 2015): |accuracy - confidence| by bin, weighted mean.

    confidence: probability of the predicted class. right: whether it is the true one, same shape.
    """
    bins = np.minimum((confidence.ravel() * BINS).astype(np.int64), BINS - 1)
    gap = np.bincount(bins, right.ravel() - confidence.ravel().astype(np.float64), BINS)
    return float(np.abs(gap).sum() / confidence.size)
