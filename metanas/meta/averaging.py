"""Means over the tasks of a meta-batch, computed by one process or exchanged between several.

Each process works on its share of every domain's tasks; the means are weighted by the number of tasks.
Process groups: `base/distributed.py`. Used by `outer.py` and Reptile.
"""

from collections.abc import Callable, Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from metanas.base.distributed import rank, world_size
from metanas.data.episode import Episodes
from metanas.meta.replay import side_by_side
from metanas.method import Metrics
from metanas.params import Tensors

Work = Callable[[Episodes], tuple[Tensors, float | Tensor]]  # T tasks -> means over them by name, mean loss
Layout = dict[str, tuple[torch.Size, torch.dtype]]  # shape and type of each tensor by name


def mean_over_tasks(
    batch: Sequence[Episodes], work: Work, *, whole: bool = False
) -> tuple[list[Tensors], Metrics]:
    """`work` on every domain's tasks: one dict of means per domain, and each domain's loss by its name.

    With several processes each works on its share, and all return the means over all tasks. whole: the work
    needs all tasks of a domain at once, so that a process gets whole domains.
    """
    if world_size() == 1:
        with side_by_side():
            results: Sequence[tuple[Tensors, float | Tensor]] = [work(episodes) for episodes in batch]
    else:
        shares = [_share(episodes, index, whole=whole) for index, episodes in enumerate(batch)]
        counts = [len(part.support.y) for part in shares]
        with side_by_side():
            local = [work(part) if count else ({}, 0.0) for part, count in zip(shares, counts, strict=True)]
        idle = whole or any(len(episodes.support.y) < world_size() for episodes in batch)
        results = _exchange(local, counts, batch[0].support.y.device, anyone_is_idle=idle)
    losses = {episodes.spec.name: _read(loss) for episodes, (_, loss) in zip(batch, results, strict=True)}
    return [tensors for tensors, _ in results], losses


def _read(loss: float | Tensor) -> float | Tensor:
    """The loss as a number; on an accelerator a tensor of its own (), as reading it would wait."""
    return float(loss) if not isinstance(loss, Tensor) or loss.device.type == "cpu" else loss.clone()


def _share(episodes: Episodes, index: int, *, whole: bool) -> Episodes:
    """This process's tasks of the batch's domain number `index`; the first tasks go round the processes."""
    first = (rank() - index) % world_size()
    if whole:
        return episodes.tasks(slice(None) if first == 0 else slice(0))
    return episodes.tasks(slice(first, None, world_size()))


def _exchange(
    local: Sequence[tuple[Tensors, float | Tensor]],
    counts: Sequence[int],
    device: torch.device,
    *,
    anyone_is_idle: bool,
) -> list[tuple[Tensors, Tensor]]:
    """Means over all processes' tasks, the same bytes in each of them.

    device: where they are exchanged. anyone_is_idle: whether some process had no task of a domain, and must
    ask the others for the layout.
    """
    own = [{name: (t.shape, t.dtype) for name, t in tensors.items()} for tensors, _ in local]
    layouts: list[list[Layout]] = [own]
    if anyone_is_idle:
        layouts = [own] * world_size()
        dist.all_gather_object(layouts, own)
    results = []
    for i, ((tensors, loss), count) in enumerate(zip(local, counts, strict=True)):
        layout = {name: kind for theirs in layouts for name, kind in theirs[i].items()}
        loss_dtype = next((dtype for _, dtype in layout.values()), torch.float64)
        known = torch.as_tensor(loss, dtype=loss_dtype, device=device)
        parts = [torch.stack([known * count, torch.full_like(known, count)])]
        parts += [
            tensors[name].detach().flatten() * count
            if name in tensors
            else torch.zeros(shape.numel(), device=device)
            for name, (shape, _) in layout.items()
        ]
        total = torch.cat(parts)
        dist.all_reduce(total)
        tasks = total[1]
        pieces = (total[2:] / tasks).split([shape.numel() for shape, _ in layout.values()])
        means = {
            name: piece.view(shape).to(dtype)
            for (name, (shape, dtype)), piece in zip(layout.items(), pieces, strict=True)
        }
        results.append((means, total[0] / tasks))
    return results
