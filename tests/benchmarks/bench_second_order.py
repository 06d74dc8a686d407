"""Second-order meta-gradients: tasks per second, share of the machine's peak, and memory against inner steps.

    python -m tests.benchmarks.bench_second_order

28x28 images, 5-way 5-shot, 15 queries a class, 4 tasks side by side, one thread. Every figure is of a
process of its own: the median of three gradients' time, and the most memory that it ever held less what it
held before. Operations are those of the loop over tasks; the peak is of the fastest of some matrix products.
`recomputed`: with `checkpoint=true`, where every step is computed twice (`metanas/meta/recompute.py`).
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from datetime import date

import torch

from metanas.base.machine import cpu_name
from metanas.base.seeding import generator
from metanas.data.episode import TaskSpec
from metanas.engine.flops import count
from metanas.meta.batching import Batching
from metanas.meta.inner import ParamGroups
from metanas.meta.loss import TaskLoss
from metanas.meta.maml import final_step_weights, meta_gradient
from metanas.meta.optimizers import sgd
from metanas.models.build import build
from metanas.params import detach
from metanas.space.network_config import NetworkConfig
from metanas.space.space import SearchSpace
from tests.benchmarks.bench_maml import peak, random_tasks

TASKS, WAYS, SHOTS, QUERIES, ROUNDS = 4, 5, 5, 15, 3
STEPS = (1, 2, 4, 8)
SPEC = TaskSpec("bench", "image", (1, 28, 28), WAYS)
SPACES = {
    "conv4, 64 filters, strides": (NetworkConfig("conv4", down="stride", norm="batch"), SearchSpace()),
    "supernet, all": (NetworkConfig(), SearchSpace()),
    "supernet, cnn-only": (NetworkConfig(), SearchSpace(strategy="cnn-only")),
    "supernet, cnn-only, 64": (NetworkConfig(), SearchSpace(strategy="cnn-only", channels=64)),
}


class Problem:
    """A network's numbers and tasks, and the meta-gradient of weights and architecture."""

    def __init__(self, name: str, steps: int) -> None:
        self.steps, dice = steps, generator(0, "bench")
        self.net = build(*SPACES[name], [SPEC])
        self.params = detach(self.net.init(dice))
        self.episodes = random_tasks(SPEC, TASKS, SHOTS, QUERIES, dice)

    def gradient(self, way: Batching, *, again: bool) -> None:
        policy = ParamGroups(sgd(0.01), sgd(0.01))
        meta_gradient(
            TaskLoss(self.net, SPEC, batching=way),
            self.params,
            self.episodes,
            policy=policy,
            order=2,
            steps=final_step_weights(self.steps),
            again=(lambda rates: policy) if again else None,
        )


def measure(name: str, steps: int, *, again: bool) -> None:
    """Print MiB, the seconds of one gradient and its operations."""
    torch.set_num_threads(1)
    problem = Problem(name, steps)
    before, seconds = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        problem.gradient("vmap", again=again)
        seconds.append(time.perf_counter() - began)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    operations = count(lambda: problem.gradient("loop", again=False))
    print((after - before) / 1024, statistics.median(seconds), operations)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--one", nargs=3, metavar=("NET", "STEPS", "AGAIN"), help="used by the script itself")
    words = parser.parse_args()
    if words.one:
        measure(words.one[0], int(words.one[1]), again=words.one[2] == "yes")
        return
    top = peak(1)
    print(f"{cpu_name()}, {os.cpu_count()} cores; torch {torch.__version__}; {date.today()}")
    print(f"one thread; matrix products: {top / 1e9:.0f} GFLOP/s; medians of {ROUNDS} x {TASKS} tasks")
    heads = f"{'steps':>5} {'tasks/s':>8} {'of peak':>8} {'MiB':>6}"
    print(f"{'':28}{heads}   recomputed: {'tasks/s':>7} {'MiB':>6}")
    for name in SPACES:
        for steps in STEPS:
            (kept, seconds, operations), (again, again_seconds, _) = (
                _run(name, steps, w) for w in ("no", "yes")
            )
            share = 100 * operations / seconds / top
            print(
                f"{name:<28}{steps:>5} {TASKS / seconds:>8.1f} {share:>6.0f} % {kept:>6.0f}"
                f"   {TASKS / again_seconds:>19.1f} {again:>6.0f}",
                flush=True,
            )


def _run(name: str, steps: int, again: str) -> tuple[float, float, float]:
    command = [sys.executable, "-m", "tests.benchmarks.bench_second_order", "--one", name, str(steps), again]
    words = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(words[0]), float(words[1]), float(words[2])


if __name__ == "__main__":
    main()
