"""Convolution, its two gradients and theirs, with a position's channels side by side in memory.

torch leaves maps as they lie, (B, C, H, W), which on a CPU is up to ten times slower than with the channels
last, above all for the input's gradient under a stride. T tasks' own kernels are one grouped convolution of
T C channels. The three maps here are linear in both arguments, so each one's derivatives are the other two,
as often as one likes.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

Dims = tuple[int | None, int | None, None]


@dataclass(frozen=True, slots=True)
class Setup:
    """All of a convolution but its numbers. sides: H and W of x; size: those of the kernel."""

    stride: int
    groups: int
    sides: tuple[int, ...]
    size: tuple[int, ...]

    @property
    def pad(self) -> tuple[int, ...]:
        """As many positions out as in, but for the stride."""
        return tuple(side // 2 for side in self.size)

    def times(self, tasks: int) -> "Setup":
        """T tasks' channels beside each other."""
        return replace(self, groups=self.groups * tasks)


def conv(x: Tensor, kernel: Tensor, *, stride: int = 1) -> Tensor:
    """x (B, C, H, W), kernel (O, C, k, k) to (B, O, H / stride, W / stride), as `supernet/ops.py` has it.

    A one-row map meets the kernel's middle row.
    """
    if x.shape[-2] == 1:
        middle = kernel.shape[-2] // 2
        kernel = kernel[..., middle : middle + 1, :]
    y: Tensor = _Value.apply(x, kernel, Setup(stride, 1, tuple(x.shape[-2:]), tuple(kernel.shape[-2:])))
    return y


class _Value(Function):
    """(B, C, H, W) and (O, C / groups, k, l) to (B, O, H', W')."""

    @staticmethod
    def forward(x: Tensor, kernel: Tensor, setup: Setup) -> Tensor:
        return torch.conv2d(_last(x), _last(kernel), None, setup.stride, setup.pad, 1, setup.groups)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])
        ctx.setup = inputs[2]

    @staticmethod
    def backward(ctx: Any, *g: Tensor) -> Any:
        (x, kernel), setup, (for_x, for_kernel, _) = ctx.saved_tensors, ctx.setup, ctx.needs_input_grad
        return (
            _ToInput.apply(g[0], kernel, setup) if for_x else None,
            _ToKernel.apply(g[0], x, setup) if for_kernel else None,
            None,
        )

    @staticmethod
    def vmap(info: Any, dims: Dims, x: Tensor, kernel: Tensor, setup: Setup) -> tuple[Tensor, int]:
        return _over_tasks(_Value, info.batch_size, dims, x, kernel, setup)


class _ToInput(Function):
    """The gradient for x: (B, O, H', W') and (O, C / groups, k, l) to (B, C, H, W)."""

    @staticmethod
    def forward(g: Tensor, kernel: Tensor, setup: Setup) -> Tensor:
        g, kernel = _last(g), _last(kernel)
        x = _like(g, len(g), kernel.shape[1] * setup.groups, *setup.sides)
        return _gradient(0, g, x, kernel, setup)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])
        ctx.setup = inputs[2]

    @staticmethod
    def backward(ctx: Any, *u: Tensor) -> Any:
        (g, kernel), setup, (for_g, for_kernel, _) = ctx.saved_tensors, ctx.setup, ctx.needs_input_grad
        return (
            _Value.apply(u[0], kernel, setup) if for_g else None,
            _ToKernel.apply(g, u[0], setup) if for_kernel else None,
            None,
        )

    @staticmethod
    def vmap(info: Any, dims: Dims, g: Tensor, kernel: Tensor, setup: Setup) -> tuple[Tensor, int]:
        return _over_tasks(_ToInput, info.batch_size, dims, g, kernel, setup)


class _ToKernel(Function):
    """The gradient for the kernel: (B, O, H', W') and (B, C, H, W) to (O, C / groups, k, l)."""

    @staticmethod
    def forward(g: Tensor, x: Tensor, setup: Setup) -> Tensor:
        g, x = _last(g), _last(x)
        kernel = _like(g, g.shape[1], x.shape[1] // setup.groups, *setup.size)
        return _gradient(1, g, x, kernel, setup)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])
        ctx.setup = inputs[2]

    @staticmethod
    def backward(ctx: Any, *u: Tensor) -> Any:
        (g, x), setup, (for_g, for_x, _) = ctx.saved_tensors, ctx.setup, ctx.needs_input_grad
        return (
            _Value.apply(x, u[0], setup) if for_g else None,
            _ToInput.apply(g, u[0], setup) if for_x else None,
            None,
        )

    @staticmethod
    def vmap(info: Any, dims: Dims, g: Tensor, x: Tensor, setup: Setup) -> tuple[Tensor, int]:
        tasks = info.batch_size
        found = _ToKernel.apply(beside(g, dims[0], tasks), beside(x, dims[1], tasks), setup.times(tasks))
        return found.unflatten(0, (tasks, -1)), 0


def _over_tasks(
    map_: type[Function], tasks: int, dims: Dims, x: Tensor, kernel: Tensor, setup: Setup
) -> tuple[Tensor, int]:
    """Tasks with one kernel are further examples; tasks with their own are further channels."""
    if dims[1] is None:
        x = x.movedim(dims[0] or 0, 0)
        return map_.apply(x.flatten(0, 1), kernel, setup).unflatten(0, (tasks, -1)), 0
    kernel = kernel.movedim(dims[1], 0).flatten(0, 1)
    return map_.apply(beside(x, dims[0], tasks), kernel, setup.times(tasks)).unflatten(1, (tasks, -1)), 1


def beside(x: Tensor, dim: int | None, tasks: int) -> Tensor:
    """(B, T C, H, W) of T tasks' (B, C, H, W); no copy where that is how they lie."""
    x = x.unsqueeze(1).expand(-1, tasks, -1, -1, -1) if dim is None else x.movedim(dim, 1)
    return x.flatten(1, 2)


def end_to_end(x: Tensor, dim: int | None, tasks: int) -> Tensor:
    """(T C,) of T tasks' (C,)."""
    return (x.expand(tasks, -1) if dim is None else x.movedim(dim, 0)).flatten()


def _gradient(which: int, g: Tensor, x: Tensor, kernel: Tensor, setup: Setup) -> Tensor:
    """torch's kernels, for x (0) or for the kernel (1); the shape alone of that one is looked at."""
    mask, groups = [which == 0, which == 1, False], setup.groups
    found: Tensor = torch.ops.aten.convolution_backward(
        g, x, kernel, None, [setup.stride] * 2, setup.pad, (1, 1), False, (0, 0), groups, mask
    )[which]
    return found


def _like(g: Tensor, *shape: int) -> Tensor:
    """Only a shape: nothing is written there."""
    return torch.empty(shape, dtype=g.dtype, device=g.device, memory_format=torch.channels_last)


def _last(x: Tensor) -> Tensor:
    """With the channels last in memory, on CPUs, where it was measured."""
    return x.contiguous(memory_format=torch.channels_last) if x.device.type == "cpu" else x
