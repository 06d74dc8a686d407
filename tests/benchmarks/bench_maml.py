"""MAML side by side with learn2learn: same weights, tasks and gradients, both cores, in one run.

    python -m tests.benchmarks.bench_maml

learn2learn adapts a plain torch module (nn.Conv2d, nn.BatchNorm2d) with all cores' threads. Ours are as many
one-thread processes as there are cores, as torchrun starts them (`base/distributed.py`), each with the way
of running tasks that is fastest here (`meta/batching.py`); and one such process beside. Rounds alternate, so
that a busy moment hits all. A meta-gradient is of the mean query loss of TASKS tasks. The fraction of peak is
of what the fastest of several matrix products reaches, over the operations that the loop over tasks takes.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from datetime import date
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from metanas.base import distributed
from metanas.base.allocator import keep_freed_memory
from metanas.base.machine import cpu_name
from metanas.base.seeding import generator
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.engine.flops import count
from metanas.meta import averaging
from metanas.meta.batching import Batching, fastest
from metanas.meta.inner import Order, ParamGroups, moves
from metanas.meta.loss import TaskLoss
from metanas.meta.maml import final_step_weights, meta_gradient
from metanas.meta.optimizers import sgd
from metanas.models.build import build
from metanas.params import Params, Tensors, detach
from metanas.space.network_config import NetworkConfig
from metanas.space.space import SearchSpace

TASKS, WAYS, RATE, ROUNDS = 16, 5, 0.1, 5
TURN = 4  # gradients in a row, as training makes them: the first one's caches are the others'


class Case(NamedTuple):
    """5-way 1-shot on conv4 with batch norm; goal: times learn2learn's tasks per second."""

    name: str
    side: int
    width: int
    down: str
    queries: int
    steps: int
    order: Order
    goal: float


CASES = (
    Case("28x28, 64 filters, 1 step, second order", 28, 64, "stride", 1, 1, 2, 2.0),
    Case("28x28, 64 filters, 1 step, first order", 28, 64, "stride", 1, 1, 1, 2.0),
    Case("28x28, 64 filters, 1 step, 15 queries, second order", 28, 64, "stride", 15, 1, 2, 2.0),
    Case("32x32, 32 filters, 5 steps, 15 queries, second order", 32, 32, "pool", 15, 5, 2, 1.5),
)


def random_tasks(spec: TaskSpec, tasks: int, shots: int, queries: int, dice: torch.Generator) -> Episodes:
    """Tasks of so many random examples a class in support and query."""

    def batch(each: int) -> Batch:
        x = torch.randn(tasks, spec.ways * each, *spec.input_shape, generator=dice)
        return Batch(x, torch.arange(spec.ways).repeat_interleave(each).expand(tasks, -1))

    return Episodes(spec, batch(shots), batch(queries))


class Problem:
    """A case's network, weights and tasks, the same in every process."""

    def __init__(self, case: Case) -> None:
        self.case, channels = case, 3 if case.side == 32 else 1
        self.spec = TaskSpec("bench", "image", (channels, case.side, case.side), WAYS)
        choice = NetworkConfig("conv4", case.width, norm="batch", down=case.down, read="mean")  # type: ignore[arg-type]
        self.net = build(choice, SearchSpace(), [self.spec])
        dice = generator(0, "bench")
        fresh = self.net.init(dice)
        self.params = Params(
            {n: t + 0.05 * torch.randn(t.shape, generator=dice) for n, t in fresh.weights.items()}, {}
        )
        self.episodes = random_tasks(self.spec, TASKS, 1, case.queries, dice)

    def gradient(self, episodes: Episodes, way: Batching) -> tuple[Tensors, float]:
        """Our meta-gradient."""
        return meta_gradient(
            TaskLoss(self.net, self.spec, batching=way),
            detach(self.params),
            episodes,
            policy=ParamGroups(sgd(RATE), None, moves("weights")),
            order=self.case.order,
            steps=final_step_weights(self.case.steps),
        )

    def ours(self) -> Tensors:
        """This process's share in the fastest way here, averaged with the others'."""

        def work(episodes: Episodes) -> tuple[Tensors, float]:
            about = f"bench_maml {self.case} {len(episodes.support.y)}"
            return self.gradient(episodes, fastest(about, lambda way: self.gradient(episodes, way)))

        (found,), _ = averaging.mean_over_tasks([self.episodes], work)
        return found


class Theirs:
    """learn2learn's MAML on torch's own modules with the same weights."""

    def __init__(self, problem: Problem) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import learn2learn
        self.problem, case = problem, problem.case
        layers: list[nn.Module] = []
        for block in range(4):
            inputs = problem.spec.input_shape[0] if block == 0 else case.width
            stride = 2 if case.down == "stride" else 1
            layers += [
                nn.Conv2d(inputs, case.width, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(case.width, track_running_stats=False),
                nn.ReLU(),
            ]
            layers += [nn.MaxPool2d(2)] if case.down == "pool" else []
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(case.width, WAYS)]
        self.module = nn.Sequential(*layers)
        self.names = list(problem.params.weights)
        with torch.no_grad():
            for p, t in zip(self.module.parameters(), self._in_their_order(), strict=True):
                p.copy_(t)
        self.maml = learn2learn.algorithms.MAML(self.module, lr=RATE, first_order=case.order == 1)

    def _in_their_order(self) -> list[Tensor]:
        return [self.problem.params.weights[name] for name in self._order()]

    def _order(self) -> list[str]:
        names = []
        for block in range(4):
            prefix = "first.image" if block == 0 else f"blocks.{block - 1}."
            ours = [n for n in self.names if n.startswith(prefix)]
            names += [next(n for n in ours if n.endswith(end)) for end in ("weight", "scale", "bias")]
        head = [n for n in self.names if n.startswith("heads.")]
        return names + [next(n for n in head if n.endswith(end)) for end in ("weight", "bias")]

    def __call__(self) -> Tensors:
        support, query = self.problem.episodes.support, self.problem.episodes.query
        self.maml.zero_grad()
        for task in range(TASKS):
            learner = self.maml.clone()
            for _ in range(self.problem.case.steps):
                learner.adapt(F.cross_entropy(learner(support.x[task]), support.y[task]))
            (F.cross_entropy(learner(query.x[task]), query.y[task]) / TASKS).backward()
        pairs = zip(self._order(), self.module.parameters(), strict=True)
        return {f"weights/{name}": p.grad.clone() for name, p in pairs if p.grad is not None}


class Workers:
    """Processes that wait for a word and then make one meta-gradient together."""

    def __init__(self, case: int, count: int) -> None:
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = str(free.getsockname()[1])
        self.folder = tempfile.TemporaryDirectory()
        together = {"WORLD_SIZE": str(count), "MASTER_ADDR": "localhost", "MASTER_PORT": port}
        self.processes = [
            subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.benchmarks.bench_maml",
                    "--worker",
                    str(case),
                    self.folder.name,
                ],
                env=os.environ | together | {"RANK": str(i), "OMP_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for i in range(count)
        ]
        self._heard()  # they are ready and have made one to warm up

    def __call__(self) -> None:
        for process in self.processes:
            assert process.stdin is not None
            print(file=process.stdin, flush=True)
        self._heard()

    def end(self) -> Tensors:
        """Their gradient."""
        for process in self.processes:
            process.communicate()
        found = load_file(Path(self.folder.name) / "gradient")
        self.folder.cleanup()
        return found

    def _heard(self) -> None:
        for process in self.processes:
            assert process.stdout is not None
            if process.stdout.readline() != "done\n":
                raise RuntimeError("a worker ended early")


def worker(case: int, folder: Path) -> None:
    """One of `Workers`: TURN meta-gradients for every line on stdin."""
    with distributed.process_group():
        problem = Problem(CASES[case])
        found = problem.ours()
        print("done", flush=True)
        for _ in sys.stdin:
            for _ in range(TURN):
                found = problem.ours()
            print("done", flush=True)
        if distributed.rank() == 0:
            save_file({name: t.contiguous() for name, t in found.items()}, folder / "gradient")


def peak(threads: int) -> float:
    """Operations per second of the fastest of some matrix products."""
    torch.set_num_threads(threads)
    best = 0.0
    for size in (512, 1024, 2048):
        a = torch.randn(size, size)
        seconds = min(_timed(lambda a=a: a @ a) for _ in range(5))  # type: ignore[misc]
        best = max(best, 2 * size**3 / seconds)
    return best


def _timed(work: object) -> float:
    began = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - began


def measure(index: int, cores: int, top: float) -> None:
    """One case's line of the table."""
    case = CASES[index]
    problem = Problem(case)
    theirs, several, one = Theirs(problem), Workers(index, cores), Workers(index, 1)
    torch.set_num_threads(cores)
    expected = theirs()
    seconds: dict[str, list[float]] = {"l2l": [], "several": [], "one": []}
    for _ in range(ROUNDS):
        seconds["l2l"].append(_timed(lambda: [theirs() for _ in range(TURN)]))
        seconds["several"].append(_timed(several))
        seconds["one"].append(_timed(one))
    found = several.end()
    one.end()
    gap = max(float((found[n] - g).norm() / g.norm()) for n, g in expected.items() if g.norm() > 1e-6)
    rates = {name: TASKS * TURN / statistics.median(values) for name, values in seconds.items()}
    operations = count(lambda: problem.gradient(problem.episodes, "loop")) / TASKS
    ratio = rates["several"] / rates["l2l"]
    print(
        f"{case.name:<54} {rates['l2l']:8.1f} {rates['one']:8.1f} {rates['several']:8.1f} "
        f"{ratio:7.2f} {case.goal:5.1f} {100 * operations * rates['several'] / top:6.0f} % {gap:9.1e}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--worker", nargs=2, metavar=("CASE", "FOLDER"), help="used by the script itself")
    words = parser.parse_args()
    keep_freed_memory()  # for learn2learn, too
    if words.worker:
        worker(int(words.worker[0]), Path(words.worker[1]))
        return
    cores = os.cpu_count() or 1
    top = peak(cores)
    print(f"{cpu_name()}, {cores} cores; torch {torch.__version__}; {date.today()}")
    print(
        f"matrix products: {top / 1e9:.0f} GFLOP/s. "
        f"tasks/s, medians of {ROUNDS} rounds of {TURN} x {TASKS} tasks"
    )
    columns = f"{'l2l':>8} {'1 proc':>8} {f'{cores} proc':>8} {'/ l2l':>7} {'goal':>5}"
    print(f"{'':<54} {columns} {'of peak':>8} {'differs':>9}")
    for index in range(len(CASES)):
        measure(index, cores, top)


if __name__ == "__main__":
    main()
