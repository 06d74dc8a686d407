"""Data-parallel meta-training: the process group that torchrun starts, its ranks and its barrier.

    torchrun --nproc-per-node 2 -m metanas run --method maml

Each process adapts to its share of a meta-batch's tasks, and `meta/averaging.py` exchanges means over tasks.
Every process holds the whole state and takes the same outer steps, so the parameters equal those of one
process up to rounding. Only process 0 writes. When a worker dies, torchrun restarts all of them and they
continue from the last checkpoint. All processes need the same run folder.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from metanas.base.errors import InvalidValue

PATIENCE = timedelta(hours=6)  # how long a process waits for the others
_single: ContextVar[bool] = ContextVar("single", default=False)


@contextmanager
def process_group(device: torch.device | None = None) -> Iterator[None]:
    """Join the process group of torchrun inside the block; without torchrun nothing happens.

    device: where the tensors lie. Those on a CUDA device are exchanged by NCCL, all others by gloo.
    InvalidValue if processes would share a card, which NCCL cannot.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    if device is not None and device.type == "cuda":
        _check_cards(device)
    store, own_rank, size = next(rendezvous("env://", timeout=PATIENCE))
    # torchrun keeps one store over its restarts: without a prefix a worker may connect to a dead one
    store = PrefixStore(f"start {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    backend = "cpu:gloo,cuda:nccl" if device is not None and device.type == "cuda" else "gloo"
    if device is not None and device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group(backend, store=store, rank=own_rank, world_size=size, timeout=PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


def _check_cards(device: torch.device) -> None:
    """InvalidValue unless each process of this machine has a card of its own."""
    here, own = (
        int(os.environ.get(name, default))
        for name, default in (("LOCAL_WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))
    )
    cards = torch.cuda.device_count()
    if here > cards:
        raise InvalidValue(
            f"{here} processes on a machine with {cards} cards: each needs its own; give "
            f"--nproc-per-node {cards}, or --device cpu"
        )
    if here > 1 and device.index != own:
        raise InvalidValue(
            f"device {device}: with several processes each has its own card; give --device cuda"
        )


@contextmanager
def single_process() -> Iterator[None]:
    """Inside the block `world_size()` is 1: for work that one process does alone, and for counting FLOPs."""
    token = _single.set(True)
    try:
        yield
    finally:
        _single.reset(token)


def rank() -> int:
    """The number of this process, 0 without a process group. Process 0 writes."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """The number of processes that share the tasks; 1 without a process group."""
    return dist.get_world_size() if dist.is_initialized() and not _single.get() else 1


def barrier() -> None:
    """Wait until all processes have called this."""
    if world_size() > 1:
        dist.all_reduce(torch.zeros(()))  # by gloo, also where NCCL has the rest
