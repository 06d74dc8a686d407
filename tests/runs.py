"""Makes run folders that are small and valid, for tests of what reads them."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from metanas.data.sampler import query_labels
from metanas.evaluation import result

TASKS = tuple(
    result.Task(
        domain=domain,
        ways=5,
        shots=1,
        queries=3,
        episodes=20,
        manifest="a" * 64,
        fingerprint="b" * 64,
        sample=False,
        synthetic=domain == "spoken-words",
    )
    for domain in ("digits", "spoken-words")
)


def make(
    folder: Path, method: str, skill: float, *, sample: bool = False, seeds: int = 3, episodes: int = 20
) -> result.Submission:
    """A method that is right with probability `skill`."""
    folder.mkdir(parents=True)
    tasks = tuple(task.model_copy(update={"sample": sample, "episodes": episodes}) for task in TASKS)
    random, tables = np.random.default_rng(len(method)), []
    for task in tasks:
        labels = query_labels(task.domain, "test", 0, task.shape, np.arange(task.episodes))
        for seed in range(seeds):
            right = random.random(labels.shape) < skill
            answer = np.where(right, labels, (labels + 1) % 5)
            tables.append(result.table(task.name, seed, 0, 0.8 * np.eye(5)[answer] + 0.04))
    digest = result.write_table(folder / result.PREDICTIONS, pa.concat_tables(tables))
    submission = result.Submission(
        method=method,
        settings={},
        transductive=False,
        suite="mini-v1",
        suite_version="1.0",
        budget={"name": "small", "iterations": 1, "tasks": 1, "eval_episodes": 20},
        seeds=tuple(range(seeds)),
        tasks=tasks,
        costs=result.Costs(train_seconds=1, evaluate_seconds=1, parameters=10, peak_bytes=10),
        environment={"cpu": "x"},
        package_version="0",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        predictions_sha256=digest,
    )
    result.write(folder, submission)
    return submission
