"""Latency table: how long one forward pass of each operation takes on this machine, in milliseconds.

Keys are op, channels and size of the feature map; the batch is one example. An entry is measured on first use
(the fastest of several runs, on one thread of the CPU in float32, wherever the run computes: so a budget of
milliseconds means the same on every device) and stored in the cache folder, so that a resumed search sees the
same values. The file names the processor and torch's version; with others the table starts empty.
"""

import time
from pathlib import Path

import torch

from metanas.base import measured
from metanas.base.atomic import cache_folder
from metanas.base.seeding import generator
from metanas.models.network import init_weights
from metanas.space.candidates import OPS

RUNS = 10  # timed, after two to warm up


class Latencies:
    """Milliseconds by (op, channels, height, width), read from `path` if it was measured on `machine`."""

    def __init__(self, path: Path, machine: str) -> None:
        self.path, self.machine = path, machine
        stored = measured.load(path) or {}
        table = stored.get("milliseconds") if stored.get("machine") == machine else None
        self.table: dict[str, float] = table if isinstance(table, dict) else {}

    @classmethod
    def of_this_machine(cls) -> "Latencies":
        """The table in the cache folder, for this machine's processor."""
        from metanas.base.machine import cpu_name

        return cls(cache_folder() / "latency.json", f"{cpu_name()}, torch {torch.__version__}")

    def __call__(self, op: str, channels: int, height: int, width: int) -> float:
        """Milliseconds of one forward pass of one example (1, channels, height, width)."""
        key = f"{op} {channels} {height}x{width}"
        if key not in self.table:
            self.table[key] = _measure(op, channels, height, width)
            measured.keep(self.path, {"machine": self.machine, "milliseconds": self.table})
        return self.table[key]


@torch.no_grad()
def _measure(op: str, channels: int, height: int, width: int) -> float:
    """Milliseconds of the fastest of `RUNS` forward passes on one thread."""
    module = OPS[op](channels)
    weights = init_weights(module, generator(0, "latency"))
    for name, parameter in module.named_parameters():
        parameter.copy_(weights[name])
    x = torch.randn(1, channels, height, width, generator=generator(1, "latency"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seconds = []
        with torch.autocast("cpu", enabled=False):
            for _ in range(RUNS + 2):
                began = time.perf_counter()
                module(x, None)
                seconds.append(time.perf_counter() - began)
    finally:
        torch.set_num_threads(threads)
    return 1000 * min(seconds[2:])
