"""Seconds to choose one task's architecture among 64 candidates, on one thread: `python -m
tests.benchmarks.bench_choice`.

Medians over rounds, for one task alone and for ten side by side (as the evaluation does), on the domains of
mini-v1 with the flagship's default space and with a lean stem; 5 shots.
"""

import statistics
import time
from dataclasses import replace

import torch

from baselines.loo_nas import LooNas
from metanas.base.machine import environment
from metanas.base.seeding import generator
from metanas.data.domain import Domain
from metanas.data.episode import EpisodeShape

ROUNDS = 7


def main() -> None:
    """Print a Markdown table."""
    torch.set_num_threads(1)
    print(f"{environment()}\n\n| domain | stem | 1 task | 10 tasks, each |\n|---|---|---|---|")
    for name in ("digits", "langid", "spoken-words"):
        domain = Domain.open(name)
        for stem in ("conv", "lean"):
            settings = LooNas.Settings(count=64)
            settings = replace(settings, space=replace(settings.space, stem=stem))
            method = LooNas([domain.spec(5)], settings)
            state = method.start(generator(0, "bench"))
            cells = []
            for tasks in (1, 10):
                episodes = domain.episodes("test", EpisodeShape(5, 5, 1), 0, range(tasks))
                seconds = []
                for _ in range(ROUNDS + 1):
                    began = time.perf_counter()
                    method.choose(state, episodes.spec, episodes.support, "task")
                    seconds.append(time.perf_counter() - began)
                cells.append(f"{1000 * statistics.median(seconds[1:]) / tasks:.0f} ms")
            print(f"| {name} | {stem} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
