"""One meta-training over several processes: each does its share of the tasks, and means are exchanged.

    torchrun --nproc-per-node 2 -m metanas run --method maml

Comes under `meta/outer.py`, where a batch of tasks becomes one gradient. Every process holds the whole state
and takes the same outer steps, so the parameters are those of one process up to rounding. Process 0 alone
writes; when a worker dies, torchrun starts all again, and they go on from its last checkpoint. All processes
need the same run folder.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from metanas.episode import Episodes
from metanas.method import Metrics
from metanas.params import Tensors

PATIENCE = timedelta(hours=6)  # of a process that waits for the others
_alone: ContextVar[bool] = ContextVar("alone", default=False)
Work = Callable[[Episodes], tuple[Tensors, float]]  # T tasks -> means over them by name, mean loss


@contextmanager
def joined() -> Iterator[None]:
    """Join the processes that torchrun started beside this one; without torchrun nothing happens."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    store, number, count = next(rendezvous("env://", timeout=PATIENCE))
    # torchrun keeps one store over its restarts: without a prefix a worker may dial one that is dead
    store = PrefixStore(f"start {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, store=store, rank=number, world_size=count, timeout=PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


@contextmanager
def alone() -> Iterator[None]:
    """Inside, this process does all by itself: what only one of them does, and what counts operations."""
    token = _alone.set(True)
    try:
        yield
    finally:
        _alone.reset(token)


def rank() -> int:
    """Which of the processes this is; 0 writes."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """How many processes share the work."""
    return dist.get_world_size() if dist.is_initialized() and not _alone.get() else 1


def wait() -> None:
    """Until all processes are here."""
    if world() > 1:
        dist.barrier()


def averaged(batch: Sequence[Episodes], work: Work, *, whole: bool = False) -> tuple[list[Tensors], Metrics]:
    """`work` on every domain's tasks: its means, one dict per domain, and each domain's loss.

    With several processes each works on its share, and the means are over all. whole: the work needs all
    tasks of a domain at once, so that a share is some of the domains.
    """
    if world() == 1:
        found = [work(episodes) for episodes in batch]
    else:
        shares = [share(episodes, index, whole=whole) for index, episodes in enumerate(batch)]
        counts = [len(part.support.y) for part in shares]
        parts = [work(part) if count else ({}, 0.0) for part, count in zip(shares, counts, strict=True)]
        idle = whole or any(len(episodes.support.y) < world() for episodes in batch)
        found = _exchange(parts, counts, anyone_is_idle=idle)
    losses = {episodes.spec.name: loss for episodes, (_, loss) in zip(batch, found, strict=True)}
    return [tensors for tensors, _ in found], losses


def share(episodes: Episodes, index: int, *, whole: bool) -> Episodes:
    """This process's tasks of the batch's domain number `index`; the first tasks go round the processes."""
    first = (rank() - index) % world()
    if whole:
        return episodes.tasks(slice(None) if first == 0 else slice(0))
    return episodes.tasks(slice(first, None, world()))


def _exchange(
    found: Sequence[tuple[Tensors, float]], counts: Sequence[int], *, anyone_is_idle: bool
) -> list[tuple[Tensors, float]]:
    """Means over all processes' tasks, the same bytes in each of them.

    anyone_is_idle: whether some process had no task of a domain, and must ask the others what to expect.
    """
    mine = [{name: (t.shape, t.dtype) for name, t in tensors.items()} for tensors, _ in found]
    everyone: list[list[dict[str, tuple[torch.Size, torch.dtype]]]] = [mine]
    if anyone_is_idle:
        everyone = [mine] * world()
        dist.all_gather_object(everyone, mine)
    results = []
    for i, ((tensors, loss), count) in enumerate(zip(found, counts, strict=True)):
        kinds = {name: kind for theirs in everyone for name, kind in theirs[i].items()}
        wide = next((dtype for _, dtype in kinds.values()), torch.float64)
        parts = [torch.tensor([loss * count, count], dtype=wide)]
        parts += [
            tensors[name].detach().flatten() * count if name in tensors else torch.zeros(shape.numel())
            for name, (shape, _) in kinds.items()
        ]
        total = torch.cat(parts)
        dist.all_reduce(total)
        number = total[1]
        pieces = (total[2:] / number).split([shape.numel() for shape, _ in kinds.values()])
        means = {
            name: piece.view(shape).to(dtype)
            for (name, (shape, dtype)), piece in zip(kinds.items(), pieces, strict=True)
        }
        results.append((means, float(total[0] / number)))
    return results
