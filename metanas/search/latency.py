"""A measured second cost: how long each operation takes on this machine.

A table of the forward time of one op on one example, by op, channels and size of the feature map. Entries
are measured when first asked for (the fastest of several runs, one thread) and kept in the cache folder,
so that a search sees the same numbers when it is resumed. They hold for this machine alone: the table
names its processor, and one of another processor is measured anew.
"""

import json
import time
from pathlib import Path

import torch

from metanas.disk import write_atomically
from metanas.kinds import OPS
from metanas.networks.network import init_weights
from metanas.seeding import generator
from metanas.store import cache_folder

RUNS = 10


class Latencies:
    """Milliseconds by (op, channels, height, width)."""

    def __init__(self, path: Path, machine: str) -> None:
        self.path, self.machine = path, machine
        kept = json.loads(path.read_text()) if path.exists() else {}
        self.table: dict[str, float] = kept["milliseconds"] if kept.get("machine") == machine else {}

    @classmethod
    def here(cls) -> "Latencies":
        """This machine's table, in the cache folder."""
        from metanas.evaluation.cost import cpu_name

        return cls(cache_folder() / "latency.json", cpu_name())

    def __call__(self, op: str, channels: int, height: int, width: int) -> float:
        """Milliseconds of one forward pass of one example."""
        key = f"{op} {channels} {height}x{width}"
        if key not in self.table:
            self.table[key] = measure(op, channels, height, width)
            text = json.dumps({"machine": self.machine, "milliseconds": self.table}, indent=1)
            write_atomically(self.path, text.encode())
        return self.table[key]


@torch.no_grad()
def measure(op: str, channels: int, height: int, width: int) -> float:
    """The fastest of ten runs, in milliseconds, on one thread."""
    module = OPS[op](channels)
    numbers = init_weights(module, generator(0, "latency"))
    for name, parameter in module.named_parameters():
        parameter.copy_(numbers[name])
    x = torch.randn(1, channels, height, width, generator=generator(1, "latency"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        took = []
        for _ in range(RUNS + 2):
            began = time.perf_counter()
            module(x, None)
            took.append(time.perf_counter() - began)
    finally:
        torch.set_num_threads(threads)
    return 1000 * min(took[2:])
