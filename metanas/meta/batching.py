"""How one network runs on T tasks with weights of their own, and the choice of the fastest way.

Three ways give the same gradients up to rounding: `vmap` batches every layer over tasks (convolutions become
grouped ones), by torch.func.vmap or by the network itself where it can; `shared` does so too, but computes
the first inner step, where all tasks still have the same weights, as one big batch; `loop` runs the tasks in
turn (best for large feature maps). Which is fastest depends on network, shapes and machine, so `fastest`
measures it once and stores the answer in the cache folder: a resumed run takes the same way and so ends
with the same bytes.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from metanas.base import measured
from metanas.base.atomic import cache_folder
from metanas.base.machine import arithmetic, cpu_name
from metanas.data.episode import TaskSpec
from metanas.models.network import Network
from metanas.models.relaxation import Mixture
from metanas.params import Tensors

Batching = Literal["vmap", "shared", "loop"]
WAYS: tuple[Batching, ...] = get_args(Batching)
_CPU = torch.device("cpu")
ROUNDS = 1  # timed runs of each way, after one to warm up
_known: dict[Path, Batching] = {}  # the files that this process has read


def run(
    net: Network, spec: TaskSpec, weights: Tensors, mixture: Mixture, x: Tensor, batching: Batching
) -> Tensor:
    """Logits (T, B, ways) of inputs x (T, B, *input_shape) under weights (T, ...) and a mixture of T tasks.

    The mixture is computed beforehand, so that it may depend on all tasks' architecture logits.
    """

    def forward(weights: Mapping[str, Tensor], shares: Mapping[str, Tensor], x: Tensor) -> Tensor:
        inputs = (x, mixture.of(dict(shares)), spec)
        logits: Tensor = functional_call(net, dict(weights), inputs)
        return logits

    if batching == "loop":
        apart, shares = _rows(weights, len(x)), _rows(mixture.weights, len(x))
        return torch.stack(
            [forward(w, s, task_x) for w, s, task_x in zip(apart, shares, x.unbind(), strict=True)]
        )
    if net.takes_tasks(spec):
        return forward(weights, {}, x.movedim(0, 1).flatten(1, 2))
    logits: Tensor = vmap(forward)(weights, mixture.weights, x)
    return logits


def fastest(
    about: str,
    attempt: Callable[[Batching], object],
    device: torch.device = _CPU,
) -> Batching:
    """The way in which `attempt` takes least time, measured at most once per machine and `about`.

    about: names network, settings and shapes; with torch's version, the processor, threads, the card's name
    and the precision it is the key in the cache. On an accelerator tasks never run in turn: it would idle.
    """
    about = f"{about} torch {torch.__version__} {cpu_name()} threads {torch.get_num_threads()}"
    if device.type == "cuda":
        about += f" {torch.cuda.get_device_name(device)}"
    about += arithmetic(device.type)
    key = hashlib.sha256(about.encode()).hexdigest()[:16]
    path = cache_folder() / "batching" / f"{key}.json"
    if path in _known:
        return _known[path]

    def measure() -> dict[str, Any]:
        ways = WAYS if device.type == "cpu" else WAYS[:2]
        rounds = ROUNDS if device.type == "cpu" else ROUNDS + 2  # the first ones record a CUDA graph
        seconds = {way: _seconds(attempt, way, rounds, device) for way in ways}
        return {"about": about, "seconds": seconds, "fastest": min(seconds, key=seconds.__getitem__)}

    name = measured.once(path, measure, lambda entry: entry.get("fastest") in WAYS)["fastest"]
    _known[path] = WAYS[WAYS.index(name)]
    return _known[path]


def _seconds(
    attempt: Callable[[Batching], object], batching: Batching, rounds: int, device: torch.device
) -> float:
    best = float("inf")
    for i in range(rounds + 1):
        began = time.perf_counter()
        attempt(batching)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - began) if i else best
    return best


def _rows(group: Mapping[str, Tensor], count: int) -> list[Tensors]:
    """T groups of one row each; unbound once, so that gradients come back by one stacking."""
    unbound = {name: t.unbind() for name, t in group.items()}
    return [{name: rows[task] for name, rows in unbound.items()} for task in range(count)]
