"""How long scoring takes and how much memory: one submission, and a comparison of 20.

`python tests/benchmarks/bench_scoring.py` makes a submission of 15 domains x 600 episodes x 75 queries x 3
seeds, reads and scores it with every statistic (aim: under 5 s and 500 MB), compares 20 of them (under
20 s), and says whether torch was imported (it must not be).
"""

import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from metanas.data.sampler import query_labels
from metanas.evaluation import result
from metanas.evaluation.compare import compare
from metanas.evaluation.scores import score

DOMAINS, EPISODES, QUERIES, SEEDS, METHODS = 15, 600, 15, (0, 1, 2), 20


def make(folder: Path) -> None:
    """A submission of that size, right 60 % of the time."""
    random, tables = np.random.default_rng(0), []
    tasks = [
        result.Task(
            domain=f"domain{i}",
            ways=5,
            shots=1,
            queries=QUERIES,
            episodes=EPISODES,
            manifest="a" * 64,
            fingerprint="b" * 64,
            sample=False,
            synthetic=False,
        )
        for i in range(DOMAINS)
    ]
    for task in tasks:
        labels = query_labels(task.domain, "test", 0, task.shape, np.arange(EPISODES))
        for seed in SEEDS:
            answer = np.where(random.random(labels.shape) < 0.6, labels, (labels + 1) % 5)
            p = 0.7 * np.eye(5, dtype=np.float32)[answer] + 0.06
            tables.append(result.table(task.name, seed, 0, p))
    digest = result.write_table(folder / result.PREDICTIONS, pa.concat_tables(tables).combine_chunks())
    submission = result.Submission(
        method="m",
        settings={},
        transductive=False,
        suite="bench",
        suite_version="1",
        budget={"name": "full"},
        seeds=SEEDS,
        tasks=tuple(tasks),
        costs=result.Costs(train_seconds=1, evaluate_seconds=1, parameters=1, peak_bytes=1),
        environment={},
        package_version="0",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        predictions_sha256=digest,
    )
    result.write(folder, submission)


def one(folder: Path) -> None:
    """Read, score, and every interval; in a process of its own, for its peak of memory."""
    began = time.perf_counter()
    found = score(result.read(folder).answers)
    summary = {
        "mean": found.mean().mean,
        "others": [found.mean(s).mean for s in ("chance_normalised", "macro_f1", "log_loss")],
        "tasks": [found.task_interval(task).mean for task in found.tasks],
        "beside": [interval.low for interval in found.beside().values()],
        "rest": [found.ece, found.worst_domain, found.iqm],
    }
    seconds = time.perf_counter() - began
    status = Path("/proc/self/status").read_text()  # getrusage would count the parent's pages too
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    print(
        json.dumps({"seconds": seconds, "MB": peak, "torch": "torch" in sys.modules, "mean": summary["mean"]})
    )


def many() -> float:
    """Seconds to compare METHODS methods."""
    random = np.random.default_rng(1)
    tasks = [f"domain{i}/5w1s" for i in range(DOMAINS)]
    shared = {task: random.normal(0.6, 0.08, (1, EPISODES)) for task in tasks}
    views = {
        f"m{k}": {task: shared[task] + random.normal(0.002 * k, 0.05, (3, EPISODES)) for task in tasks}
        for k in range(METHODS)
    }
    began = time.perf_counter()
    compare(views)
    return time.perf_counter() - began


def main() -> None:
    """Print machine, date and figures."""
    from metanas.base.machine import cpu_name

    print(f"{cpu_name()}, {datetime.now(UTC):%Y-%m-%d}")
    with tempfile.TemporaryDirectory() as name:
        make(Path(name))
        found = []
        for _ in range(3):
            words = [sys.executable, __file__, "--one", name]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            found.append(json.loads(done.stdout))
        seconds = sorted(run["seconds"] for run in found)[1]
        print(f"scoring one submission: {seconds:.1f} s (median of 3), peak {found[0]['MB']:.0f} MB")
        print(f"torch imported: {found[0]['torch']}")
    print(f"comparing {METHODS}: {many():.1f} s")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        one(Path(sys.argv[2]))
    else:
        main()
