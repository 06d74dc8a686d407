"""How fast episodes are made, against learn2learn on the same arrays in the same run.

    python -m tests.benchmarks.bench_episodes [DATA_ROOT]

Three promises: a meta-batch of 32 omniglot episodes (5-way 1-shot, 15 queries, 28x28) at least 20 times as
fast as learn2learn's MetaDataset + TaskDataset; at most 3 % of a MAML step on conv4 (learn2learn's own
MAML and network); the first episode of a prepared domain in under 0.3 s after the imports. One process, one
thread, medians, the two sides in turn.
"""

import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from datetime import date
from pathlib import Path

import torch
import torch.nn.functional as F

from metanas.base.machine import cpu_name
from metanas.data.domain import Domain
from metanas.data.episode import Episodes, EpisodeShape

TASKS, SHAPE = 32, EpisodeShape(5, 1, 15)
ROOT = Path(__file__).parents[2].parent / "shared" / "data"
FIRST = """
import sys, time
from pathlib import Path
from metanas.data.domain import Domain
from metanas.data.episode import EpisodeShape
began = time.perf_counter()
Domain.open(sys.argv[1], Path(sys.argv[2])).episodes("test", EpisodeShape(5, 1, 15), 0, [0])
print(time.perf_counter() - began)
"""


def seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def learn2learn_tasks(domain: Domain) -> Callable[[], list[list[torch.Tensor]]]:
    """32 tasks of 16 examples a class, the same images, normalised beforehand (which we do as we gather)."""
    from learn2learn.data import MetaDataset, TaskDataset
    from learn2learn.data.transforms import KShots, LoadData, NWays, RemapLabels

    rows = domain.tables["train"].rows
    labels = torch.from_numpy(domain.store.examples.labels[rows].copy())
    dataset = MetaDataset(torch.utils.data.TensorDataset(domain.gather(rows), labels))
    steps = [
        NWays(dataset, SHAPE.ways),
        KShots(dataset, SHAPE.shots + SHAPE.queries),
        LoadData(dataset),
        RemapLabels(dataset),
    ]
    tasks = TaskDataset(dataset, task_transforms=steps, num_tasks=-1)
    return lambda: [tasks.sample() for _ in range(TASKS)]


def maml_step() -> Callable[[Episodes], None]:
    """One outer step of second-order MAML on conv4-64, one inner step, as on Omniglot (Finn et al.)."""
    from learn2learn.algorithms import MAML
    from learn2learn.vision.models import OmniglotCNN

    learner = MAML(OmniglotCNN(SHAPE.ways), lr=0.4)
    outer = torch.optim.Adam(learner.parameters(), 1e-3)

    def step(batch: Episodes) -> None:
        outer.zero_grad()
        for task in range(TASKS):
            adapted = learner.clone()
            adapted.adapt(F.cross_entropy(adapted(batch.support.x[task]), batch.support.y[task]))
            loss = F.cross_entropy(adapted(batch.query.x[task]), batch.query.y[task])
            (loss / TASKS).backward()
        outer.step()

    return step


def main() -> None:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    domain = Domain.open("omniglot", root)
    print(
        f"{date.today()}  {cpu_name()}, {platform.platform(terse=True)}, torch {torch.__version__}, 1 thread"
    )

    number = iter(range(0, 10**9, TASKS))

    def ours() -> Episodes:
        first = next(number)
        return domain.episodes("train", SHAPE, 0, range(first, first + TASKS))

    theirs, step = learn2learn_tasks(domain), maml_step()
    ours(), theirs()
    rounds = [(statistics.median(seconds(ours) for _ in range(20)), seconds(theirs)) for _ in range(9)]
    a, b = (statistics.median(side) for side in zip(*rounds, strict=True))
    print(f"a meta-batch of {TASKS}: ours {1e3 * a:.1f} ms, learn2learn {1e3 * b:.1f} ms")
    print(f"  {b / a:.0f} times as fast (promised: 20)")
    batch = ours()
    step(batch)
    steps = statistics.median(seconds(lambda: step(batch)) for _ in range(5))
    print(f"a MAML step on conv4: {1e3 * steps:.0f} ms; making its episodes is {100 * a / steps:.2f} % (3)")
    command = [sys.executable, "-c", FIRST, "omniglot", str(root)]
    firsts = [
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(5)
    ]
    print(f"first episode of a prepared domain: {statistics.median(firsts):.3f} s (promised: under 0.3)")


if __name__ == "__main__":
    main()
