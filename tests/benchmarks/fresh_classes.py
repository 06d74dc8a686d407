"""Accuracy of trained states on classes of no split: other voices, invented words and languages.

    python -m tests.benchmarks.fresh_classes RUN [RUN ...]

A meta-validation where the validation split is too easy: on spoken-words its voices resemble those of
meta-training (96 % at one shot, meta-test 63 %). The classes are those of sealed episodes
(`metanas/data/sealed.py`) under the number SECRET, which no leaderboard uses. None is in a split, so settings
may be chosen by them.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.compute as pc

from metanas.data.episode import EpisodeShape
from metanas.data.roots import data_root
from metanas.data.sealed import SealedTask, labels, write
from metanas.engine import config
from metanas.evaluation import result
from metanas.studies.answer_sealed import predict

SECRET, EPISODES = 20261127, 120
TASKS = [
    SealedTask(domain, EpisodeShape(5, shots, 5), EPISODES)
    for domain in ("langid", "spoken-words")
    for shots in (1, 5)
]


def main() -> None:
    """One line for each run, seed and task: accuracy in %."""
    with TemporaryDirectory() as folder:
        inputs, out = Path(folder) / "inputs.safetensors", Path(folder) / result.PREDICTIONS
        write(inputs, SECRET, TASKS)
        for run in map(Path, sys.argv[1:]):
            predict(run, inputs, TASKS, out, data_root(None))
            rows = result.read_table(out, result.SCHEMA)
            for seed in config.of_run(run).seeds:
                for task in TASKS:
                    mine = rows.filter((pc.field("seed") == seed) & (pc.field("task") == task.name))
                    true = labels(SECRET, task)
                    right = mine["prediction"].to_numpy().reshape(true.shape) == true
                    print(f"{run} seed {seed} {task.name}: {100 * np.mean(right):.1f}", flush=True)


if __name__ == "__main__":
    main()
