"""Convolution and its derivatives of every order, with a position's channels side by side in memory.

torch leaves maps as they lie, (B, C, H, W), which on a CPU is up to ten times slower than with the channels
last, above all for the input's gradient under a stride. T tasks' own kernels are one grouped convolution of
T C channels: under vmap by a rule, and without it where they come as (T, O, C, k, k). The form <y,
convolution of x by kernel> is linear in all three. Its derivatives for each, the convolution and its two
gradients, have one another for derivatives, as often as one likes.
"""

import inspect
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.autograd import Function

Dims = tuple[None, int | None, int | None, None]
Y, X, KERNEL = range(3)
Kind = TypeVar("Kind", bound=type[Function])


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

    A one-row map meets the kernel's middle row. Kernels (T, O, C, k, k) of T tasks: channels (T C) to (T O).
    """
    tasks, kernel = (1, kernel) if kernel.ndim == 4 else (len(kernel), _joined(kernel))
    if x.shape[-2] == 1:
        middle = kernel.shape[-2] // 2
        kernel = kernel[..., middle : middle + 1, :]
    setup = Setup(stride, tasks, tuple(x.shape[-2:]), tuple(kernel.shape[-2:]))
    y: Tensor = _Slope.apply(Y, x, kernel, setup)
    return y


def signed(function: Kind) -> Kind:
    """Keep forward's signature: torch would work it out again for every call, a tenth of a small step."""
    function.forward.__signature__ = inspect.signature(function.forward)  # type: ignore[attr-defined]
    return function


@signed
class _Slope(Function):
    """The form's derivative for one of y, x and kernel (0, 1, 2), given the other two in that order."""

    @staticmethod
    def forward(of: int, one: Tensor, other: Tensor, setup: Setup) -> Tensor:
        one, other = _last(one), _last(other)
        if of == Y:
            return torch.conv2d(one, other, None, setup.stride, setup.pad, 1, setup.groups)
        if of == X:
            shape = len(one), other.shape[1] * setup.groups, *setup.sides
            return _gradient((True, False, False), one, _like(one, *shape), other, setup)
        shape = one.shape[1], other.shape[1] // setup.groups, *setup.size
        return _gradient((False, True, False), one, other, _like(one, *shape), setup)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.of, one, other, ctx.setup = inputs
        ctx.save_for_backward(one, other)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Any:
        three = list(ctx.saved_tensors)
        three.insert(ctx.of, slopes[0])
        given = [i for i in (Y, X, KERNEL) if i != ctx.of]
        wanted = zip(given, ctx.needs_input_grad[1:3], strict=True)
        found = [
            _Slope.apply(i, *(t for j, t in enumerate(three) if j != i), ctx.setup) if asked else None
            for i, asked in wanted
        ]
        return None, *found, None

    @staticmethod
    def vmap(info: Any, dims: Dims, of: int, one: Tensor, other: Tensor, setup: Setup) -> tuple[Tensor, int]:
        """Tasks with one kernel are further examples; tasks with their own are further channels."""
        tasks, (_, at, other_at, _) = info.batch_size, dims
        if of == KERNEL:
            both = beside(one, at, tasks), beside(other, other_at, tasks)
            return _Slope.apply(of, *both, setup.times(tasks)).unflatten(0, (tasks, -1)), 0
        if other_at is None:
            examples = one.movedim(at or 0, 0).flatten(0, 1)
            return _Slope.apply(of, examples, other, setup).unflatten(0, (tasks, -1)), 0
        kernels = other.movedim(other_at, 0).flatten(0, 1)
        found = _Slope.apply(of, beside(one, at, tasks), kernels, setup.times(tasks))
        return found.unflatten(1, (tasks, -1)), 1


def _joined(kernel: Tensor) -> Tensor:
    """(T O, C, k, k) of (T, O, C, k, k): channels last in one copy, also of rows of stride 0."""
    return kernel.movedim(2, -1).contiguous().flatten(0, 1).movedim(-1, 1)


def beside(x: Tensor, dim: int | None, tasks: int) -> Tensor:
    """(B, T C, H, W) of T tasks' (B, C, H, W); no copy where that is how they lie."""
    x = x.unsqueeze(1).expand(-1, tasks, -1, -1, -1) if dim is None else x.movedim(dim, 1)
    return x.flatten(1, 2)


def end_to_end(x: Tensor, dim: int | None, tasks: int) -> Tensor:
    """(T C,) of T tasks' (C,)."""
    return (x.expand(tasks, -1) if dim is None else x.movedim(dim, 0)).flatten()


def _gradient(mask: tuple[bool, ...], y: Tensor, x: Tensor, kernel: Tensor, setup: Setup) -> Tensor:
    """torch's kernels; of what the mask asks for the shape alone is looked at."""
    found = torch.ops.aten.convolution_backward(
        y, x, kernel, None, [setup.stride] * 2, setup.pad, (1, 1), False, (0, 0), setup.groups, mask
    )
    slope: Tensor = found[mask.index(True)]
    return slope


def _like(g: Tensor, *shape: int) -> Tensor:
    """Only a shape: nothing is written there."""
    return torch.empty(shape, dtype=g.dtype, device=g.device, memory_format=torch.channels_last)


def _last(x: Tensor) -> Tensor:
    """With the channels last in memory, on CPUs, where it was measured."""
    return x.contiguous(memory_format=torch.channels_last) if x.device.type == "cpu" else x
