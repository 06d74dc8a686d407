"""Convolutions of many tasks with kernels of their own as batched matrix products, for CUDA devices.

cuDNN's grouped convolution of T tasks can be slower than the T products of unfolded maps that it equals. The
three functions take what `convolution.py` has: maps (B, G C, H, W) of G tasks and kernels (G O, C, k, k).
Results lie in memory as (G C, B, H, W), in which the next unfolding reads them in order.
`faster` times both ways once for every shape.
"""

import hashlib
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from metanas.base import measured
from metanas.base.atomic import cache_folder
from metanas.base.machine import arithmetic

ROUNDS = 3  # timed runs of each way, after one to warm up
_known: dict[Hashable, bool] = {}  # what this process has measured or read


@dataclass(frozen=True, slots=True)
class Setup:
    """The settings of a convolution. map_size: (H, W) of x; kernel_size: (height, width) of the kernel."""

    stride: int
    dilation: int
    groups: int
    map_size: tuple[int, ...]
    kernel_size: tuple[int, ...]

    @property
    def pad(self) -> tuple[int, ...]:
        """Padding (rows, columns) that keeps the size of the map when the stride is 1."""
        return tuple(self.dilation * (side // 2) for side in self.kernel_size)

    def times(self, tasks: int) -> "Setup":
        """The settings for T tasks as groups of channels."""
        return replace(self, groups=self.groups * tasks)


def applies(t: Tensor) -> bool:
    """Whether a tensor is where this pays: on a CUDA device."""
    return t.is_cuda


def output(x: Tensor, kernel: Tensor, setup: Setup) -> Tensor:
    """The convolution: x (B, G C, H, W), kernel (G O, C, k, k) to (B, G O, H', W')."""
    columns, size = _columns(x, setup.kernel_size, setup.pad, setup)
    y = torch.bmm(_by_task(kernel, setup.groups).flatten(2), columns)
    return y.view(-1, *size).transpose(0, 1)


def kernel_gradient(y: Tensor, x: Tensor, setup: Setup) -> Tensor:
    """The gradient (G O, C, k, k) for the kernel, from y (B, G O, H', W') and x (B, G C, H, W)."""
    columns, _ = _columns(x, setup.kernel_size, setup.pad, setup)
    gradient = torch.bmm(_rows(y, setup.groups), columns.mT)
    return gradient.view(y.shape[1], -1, *setup.kernel_size)


def input_gradient(y: Tensor, kernel: Tensor, setup: Setup) -> Tensor:
    """The gradient (B, G C, H, W) for x, from y (B, G O, H', W') and kernel (G O, C, k, k)."""
    by_task = _by_task(kernel, setup.groups)  # (G, O, C, k, k)
    if setup.stride == 1:  # itself a convolution, with the kernel turned around
        turned = by_task.transpose(1, 2).flip(3, 4).flatten(2)  # (G, C, O k k)
        pad = tuple(setup.dilation * (k - 1) - p for k, p in zip(setup.kernel_size, setup.pad, strict=True))
        columns, size = _columns(y, setup.kernel_size, pad, setup)
        return torch.bmm(turned, columns).view(-1, *size).transpose(0, 1)
    taps = torch.bmm(by_task.flatten(2).mT, _rows(y, setup.groups))  # (G, C k k, B H' W')
    taps = taps.view(-1, *setup.kernel_size, len(y), *y.shape[2:])  # (G C, k, k, B, H', W')
    (height, width), (top, left), stride = setup.map_size, setup.pad, setup.stride
    padded = y.new_zeros(len(taps), len(y), height + 2 * top, width + 2 * left)
    rows, columns_ = (stride * (side - 1) + 1 for side in y.shape[2:])
    for i in range(setup.kernel_size[0]):
        for j in range(setup.kernel_size[1]):
            first, second = i * setup.dilation, j * setup.dilation
            padded[:, :, first : first + rows : stride, second : second + columns_ : stride] += taps[:, i, j]
    return padded[:, :, top : top + height, left : left + width].transpose(0, 1)


def _columns(
    x: Tensor, kernel_size: tuple[int, ...], pad: tuple[int, ...], setup: Setup
) -> tuple[Tensor, torch.Size]:
    """The windows of x (B, G C, H, W) as (G, C k k, B H' W'), and (B, H', W'); one copy."""
    maps = x.transpose(0, 1)
    if any(pad):
        maps = F.pad(maps, (pad[1], pad[1], pad[0], pad[0]))
    reach = [setup.dilation * (k - 1) + 1 for k in kernel_size]
    windows = maps.unfold(2, reach[0], setup.stride).unfold(3, reach[1], setup.stride)
    windows = windows[..., :: setup.dilation, :: setup.dilation]  # (G C, B, H', W', k, k)
    columns = windows.permute(0, 4, 5, 1, 2, 3).reshape(setup.groups, -1, windows[0, :, :, :, 0, 0].numel())
    return columns, windows.shape[1:4]


def _by_task(kernel: Tensor, groups: int) -> Tensor:
    """(G O, C, k, k) to (G, O, C, k, k), contiguous."""
    return kernel.contiguous(memory_format=torch.contiguous_format).unflatten(0, (groups, -1))


def _rows(y: Tensor, groups: int) -> Tensor:
    """(B, G O, H', W') to (G, O, B H' W'), without a copy where memory is in that order."""
    return y.transpose(0, 1).reshape(groups, y.shape[1] // groups, -1)


def faster(
    about: Hashable, device: torch.device, grouped: Callable[[], object], products: Callable[[], object]
) -> bool:
    """Whether the products take less time than the grouped convolution; measured once per device and `about`.

    about: kind, shapes and settings; the precision is added. The answer lies in the cache folder, so that a
    resumed run computes the same bytes.
    """
    key = (about, device.index, arithmetic(device.type))
    if key not in _known:
        text = f"{about} {torch.cuda.get_device_name(device)} torch {torch.__version__}{key[-1]}"
        path = cache_folder() / "unfolded" / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
        if not path.exists() and torch.cuda.is_current_stream_capturing():
            return True  # nothing can be measured now

        def measure() -> dict[str, Any]:
            seconds = [_seconds(way) for way in (grouped, products)]
            return {"about": text, "grouped": seconds[0], "unfolded": seconds[1]}

        entry = measured.once(path, measure, lambda entry: {"grouped", "unfolded"} <= set(entry))
        _known[key] = entry["unfolded"] < entry["grouped"]
    return _known[key]


def _seconds(way: Callable[[], object]) -> float:
    best = float("inf")
    for round_ in range(ROUNDS + 1):
        torch.cuda.synchronize()
        began = time.perf_counter()
        way()
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - began) if round_ else best
    return best
