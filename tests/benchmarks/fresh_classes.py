"""Accuracy of trained states on classes of no split: other voices, invented words and languages.

    python -m tests.benchmarks.fresh_classes RUN [RUN ...]

A meta-validation where the validation split is too easy: on spoken-words its voices resemble those of
meta-training (96 % at one shot, meta-test 63 %). The classes are those of sealed episodes
(`metanas/data/sealed.py`) under the number SECRET, which no leaderboard uses. None is in a split, so settings
may be chosen by them.
"""

import sys

import numpy as np
import torch

import metanas
from metanas.data.domain import Domain
from metanas.data.episode import Batch, EpisodeShape
from metanas.data.sealed import SealedTask, draw, labels

SECRET, EPISODES, CHUNK = 20261127, 120, 20
TASKS = [
    SealedTask(domain, EpisodeShape(5, shots, 5), EPISODES)
    for domain in ("langid", "spoken-words")
    for shots in (1, 5)
]


def main() -> None:
    """One line for each run, seed and task: accuracy in %."""
    drawn = {task: (Domain.open(task.domain), draw(SECRET, task)) for task in TASKS}
    for folder in sys.argv[1:]:
        run = metanas.load_run(folder)
        for seed in run.config.seeds:
            learner = run.learner(seed)
            for task, (domain, inputs) in drawn.items():
                y = torch.arange(task.shape.ways).repeat_interleave(task.shape.shots)
                right = []
                for first in range(0, EPISODES, CHUNK):
                    support, query = (
                        domain.inputs(torch.from_numpy(part[first : first + CHUNK])) for part in inputs
                    )
                    batch = Batch(support, y.expand(len(support), -1))
                    adapted = learner.method.adapt(learner.state, domain.spec(task.shape.ways), batch)
                    right.append(adapted.predict(query).argmax(-1).numpy())
                accuracy = (np.concatenate(right) == labels(SECRET, task)).mean()
                print(f"{folder} seed {seed} {task.name}: {100 * accuracy:.1f}", flush=True)


if __name__ == "__main__":
    main()
