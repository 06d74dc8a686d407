"""What the demo's inner loops cost: milliseconds of one step, adaptation and prediction, by domain.

    python -m tests.benchmarks.bench_steps

One thread, as the demo's workers have. A step is one meta-iteration on four tasks of one domain at 5
shots (the demo takes 1 and 5 shots in turn); test is adaptation to ten test tasks and their queries.
"""

import os
import sys
import time
from collections.abc import Callable
from datetime import date

import torch

from metanas.base.machine import cpu_name
from metanas.base.seeding import generator
from metanas.data.domain import Domain
from metanas.data.episode import TaskSpec
from metanas.data.suite import Suite, load_suite
from metanas.method import METHODS, Progress

ROUNDS, SHOTS = 5, 5


def fastest(run: Callable[[], object]) -> float:
    """Milliseconds of the fastest of some runs: others may want the machine too."""
    run()
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        run()
        took.append(time.perf_counter() - began)
    return 1000 * min(took)


def costs(name: str, suite: Suite, domain: Domain, specs: list[TaskSpec]) -> tuple[float, float]:
    """Milliseconds of a meta-iteration on one domain (0 without meta-training), and of testing."""
    kind = METHODS[name]
    method = kind(specs, kind.Settings())
    state = method.start(generator(0, "bench"))
    shapes = [
        next(shape for shape in found(domain.name) if shape.shots == SHOTS)
        for found in (suite.train_shapes, suite.shapes)
    ]
    train = domain.episodes("train", shapes[0], 0, range(4))
    test = domain.episodes("test", shapes[1], 0, range(10))
    step = fastest(lambda: method.step(state, Progress(0, 80), [train])) if method.trains else 0.0
    return step, fastest(lambda: method.adapt(state, test.spec, test.support).predict(test.query.x))


def main() -> None:
    torch.set_num_threads(1)
    print(f"{date.today()}  {cpu_name()}, {os.cpu_count()} cores, torch {torch.__version__}; one thread")
    suite = load_suite("mini-v1")
    domains = [Domain.open(name, None, suite.of(name)) for name in suite.domains]
    total = 0.0
    print(f"{'method':10}" + "".join(f"{d.name + ' step':>20}{'test':>8}" for d in domains))
    for name in sys.argv[1:] or ("maml", "reptile", "protonet", "scratch"):
        line = f"{name:10}"
        for domain in domains:
            step, test = costs(name, suite, domain, [d.spec(5) for d in domains])
            line += f"{step:20.0f}{test:8.0f}"
            total += 3 * (80 * step + 12 * test)  # seeds, iterations, tens of test episodes at two shots
        print(line, flush=True)
    print(f"about {total / 1000:.0f} s of one core in the demo")


if __name__ == "__main__":
    main()
