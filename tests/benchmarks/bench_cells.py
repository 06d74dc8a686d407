"""Several meta-trainings at once on one card: what `--jobs 4` gains there; a Markdown table.

    python -m tests.benchmarks.bench_cells [--device cuda] [--jobs 1,2,4,8] [--seconds 6] [--smoke]

Each cell is a process of its own, as a worker of `--jobs` is. All warm up, wait for each other, and then take
iterations of random tasks for the same seconds. "Alone" is the figure of one process. --smoke: tiny sizes.
"""

import argparse
import subprocess
import sys
import time
from datetime import date
from typing import Any

import torch

from metanas.base.executor import share_cores
from metanas.base.machine import cpu_name
from metanas.base.seeding import generator
from metanas.engine.runtime import Runtime, driver, name_of
from metanas.method import Progress
from metanas.space.sampling import training
from tests.benchmarks.bench_device import CIFAR, MINI, OMNIGLOT, Case, build, conv4, random_tasks, small

BOTH: dict[str, Any] = {"shots": (1, 5), "queries": 10}
CASES = (
    Case("conv4-64, 28x28, 1 step, second order, 4 tasks", "maml", conv4(64, "stride", 1), [OMNIGLOT], 4),
    Case("conv4-32, 32x32, 5 steps, second order, 4 tasks", "maml", conv4(32, "pool", 5), [CIFAR], 4),
    Case("supernet, all families, ProtoNet, 3 domains x 2 tasks", "protonet", {}, MINI, 2, **BOTH),
    Case(
        "drawn single paths, ProtoNet, 3 domains x 2 tasks",
        "protonet",
        {"space": {"sampling": "uniform"}},
        MINI,
        2,
        **BOTH,
    ),
)
WARM_UP = 4  # iterations of each number of shots: the second one of a kind is recorded


def cell(case: Case, runtime: Runtime, seconds: float, warm_up: int) -> None:
    """One process: says "ready", waits for a line, and prints its iterations and MiB of the card."""
    with runtime.active() as place:
        method = build(case)
        state, number = runtime.start(method, generator(0, "bench")), 0
        batches = [
            [random_tasks(s, case.tasks, shots, case.queries, place) for s in case.specs]
            for shots in case.shots
        ]

        def step() -> None:
            nonlocal state, number
            with training(0, number):
                state, _ = method.step(state, Progress(number, 10**6), batches[number % len(batches)])
            if place.type == "cuda":
                torch.cuda.synchronize()
            number += 1

        for _ in range(warm_up * len(batches)):
            step()
        print("ready", flush=True)
        sys.stdin.readline()
        begin, before = time.perf_counter(), number
        while time.perf_counter() - begin < seconds:
            step()
        took = time.perf_counter() - begin
        memory = torch.cuda.max_memory_reserved() / 2**20 if place.type == "cuda" else 0
        print((number - before) / took, memory, flush=True)


def together(words: list[str], jobs: int) -> tuple[float, float]:
    """Iterations a second of so many processes in all, and the MiB of the card that the largest reserved."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_cells", *words, "--of", str(jobs)]
    cells = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(jobs)
    ]
    try:
        for one in cells:
            assert one.stdout is not None
            if one.stdout.readline() != "ready\n":
                return float("nan"), float("nan")  # its error stands above, on stderr
        for one in cells:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        found = [[float(word) for word in one.communicate()[0].split()] for one in cells]
    finally:
        for one in cells:
            one.kill()
            one.wait()
    if not all(found):
        return float("nan"), float("nan")
    return sum(speed for speed, _ in found), max(memory for _, memory in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--jobs", default="1,2,4,8")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--cell", type=int, help=argparse.SUPPRESS)  # this process is one
    parser.add_argument("--of", type=int, default=1, help=argparse.SUPPRESS)
    words = parser.parse_args()
    runtime = Runtime(words.device)
    if words.cell is not None:
        share_cores(words.of)
        case = CASES[words.cell]
        cell(small(case) if words.smoke else case, runtime, words.seconds, 1 if words.smoke else WARM_UP)
        return
    place = runtime.place
    about = f"{name_of(place)}, driver {driver()}" if place.type == "cuda" else cpu_name()
    print(f"{date.today()}  {about}, torch {torch.__version__}, float32; {words.seconds:g} s each\n")
    print("| iterations a second | jobs | in all | times alone | MiB a process |\n|---|---|---|---|---|")
    for index, case in enumerate(CASES):
        options = ["--device", words.device, "--seconds", str(words.seconds), "--cell", str(index)]
        options += ["--smoke"] if words.smoke else []
        alone = 0.0
        for jobs in map(int, words.jobs.split(",")):
            speed, memory = together(options, jobs)
            alone = alone or speed
            print(
                f"| {case.label} | {jobs} | {speed:.1f} | {speed / alone:.2f} | {memory:,.0f} |", flush=True
            )


if __name__ == "__main__":
    main()
