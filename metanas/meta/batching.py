"""How one network runs on T tasks' own numbers, and which way is the fastest here.

Three ways give the same gradients up to rounding: `vmap` batches every layer over tasks (convolutions become
grouped ones), by torch.func.vmap or by the network itself where it can; `shared` does so too, but takes the
first inner step, where all tasks still have the same weights, as one big batch; `loop` runs the tasks in
turn (best for large feature maps). Which is fastest depends on network, shapes and machine, so `fastest`
measures it once and remembers the answer in the cache folder: a resumed run takes the same way and so ends
with the same bytes.
"""

import hashlib
import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import torch
import torch.nn.functional as F
from filelock import FileLock
from torch import Tensor
from torch.func import functional_call, grad, vmap

from metanas.disk import write_atomically
from metanas.episode import Batch, TaskSpec
from metanas.networks.network import Network
from metanas.params import Params, Tensors, like, tensors
from metanas.search.relax import Mixture
from metanas.store import cache_folder

if TYPE_CHECKING:
    from metanas.meta.inner import TaskLoss

Batching = Literal["vmap", "shared", "loop"]
WAYS: tuple[Batching, ...] = get_args(Batching)
ROUNDS = 1  # timed runs of each way, after one to warm up
_known: dict[Path, Batching] = {}  # the files that this process has read


def run(
    net: Network, spec: TaskSpec, weights: Tensors, mixture: Mixture, x: Tensor, batching: Batching
) -> Tensor:
    """Logits (T, B, ways). The mixture is made before, so that it may depend on all tasks' values."""

    def one(weights: Mapping[str, Tensor], shares: Mapping[str, Tensor], x: Tensor) -> Tensor:
        inputs = (x, mixture.of(dict(shares)), spec)
        logits: Tensor = functional_call(net, dict(weights), inputs)
        return logits

    if batching == "loop":
        apart, shares = _rows(weights, len(x)), _rows(mixture.weights, len(x))
        return torch.stack([one(w, s, at) for w, s, at in zip(apart, shares, x.unbind(), strict=True)])
    if net.takes_tasks(spec):
        return one(weights, {}, x.movedim(0, 1).flatten(1, 2))
    logits: Tensor = vmap(one)(weights, mixture.weights, x)
    return logits


def is_shared(params: Params) -> bool:
    """Whether all tasks still have the same numbers: rows of stride 0, as `stack` makes them."""
    return all(t.stride(0) == 0 for t in tensors(params))


def gradient_of_shared(
    loss: "TaskLoss", params: Params, batch: Batch, chosen: Sequence[int], *, create_graph: bool
) -> list[Tensor]:
    """Each task's gradient (T, ...) where all have the same numbers: activations are one big batch.

    Only for relaxations that look at each task's logits alone (softmax does).
    """
    values = [t[0] if create_graph else t[0].detach() for t in tensors(params)]

    def of_task(moving: list[Tensor], x: Tensor, y: Tensor) -> Tensor:
        everything = list(values)
        for i, t in zip(chosen, moving, strict=True):
            everything[i] = t
        now = like(params, everything)
        mixture = loss.relax(now.arch)
        found = F.cross_entropy(functional_call(loss.net, now.weights, (x, mixture, loss.spec)), y)
        held = loss.held(mixture)
        return found if held is None else found + held

    found: list[Tensor] = vmap(grad(of_task), in_dims=(None, 0, 0))(
        [values[i] for i in chosen], batch.x, batch.y
    )
    return found


def fastest(about: str, attempt: Callable[[Batching], object]) -> Batching:
    """The way with the shortest `attempt`, measured at most once per machine and `about`."""
    about = f"{about} torch {torch.__version__} {platform.machine()} threads {torch.get_num_threads()}"
    key = hashlib.sha256(about.encode()).hexdigest()[:16]
    path = cache_folder() / "batching" / f"{key}.json"
    if path in _known:
        return _known[path]
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if not path.exists():
            seconds = {way: _seconds(attempt, way) for way in WAYS}
            kept = {"about": about, "seconds": seconds, "fastest": min(seconds, key=seconds.__getitem__)}
            write_atomically(path, json.dumps(kept, indent=1).encode())
        _known[path] = _kept(path)
    return _known[path]


def _kept(path: Path) -> Batching:
    name = json.loads(path.read_text(encoding="utf-8"))["fastest"]
    return WAYS[WAYS.index(name)]


def _seconds(attempt: Callable[[Batching], object], way: Batching) -> float:
    best = float("inf")
    for turn in range(ROUNDS + 1):
        began = time.perf_counter()
        attempt(way)
        best = min(best, time.perf_counter() - began) if turn else best
    return best


def _rows(group: Mapping[str, Tensor], count: int) -> list[Tensors]:
    """T groups of one row each; unbound once, so that gradients come back by one stacking."""
    apart = {name: t.unbind() for name, t in group.items()}
    return [{name: rows[task] for name, rows in apart.items()} for task in range(count)]
