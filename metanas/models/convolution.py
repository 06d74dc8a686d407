"""2-D convolution of the fixed networks, differentiable to any order, with channels last in memory on CPUs.

torch keeps feature maps as (B, C, H, W) in memory; on a CPU that is up to ten times slower than channels
last, above all for the input gradient of a strided convolution. T tasks with their own kernels become one
grouped convolution with T C channels: in the vmap rule, or directly for kernels of shape (T, O, C, k, k).

The form <y, conv(x, kernel)> is linear in each of its three arguments. Its gradients for y, x and kernel are
the convolution and its two gradient operations, and differentiating any of these gives the other two. So one
`autograd.Function` covers every order. `ops.conv` is the plain torch version that the supernet uses.
"""

import inspect
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.autograd import Function

from metanas.models import unfolded
from metanas.models.unfolded import Setup

_Dims = tuple[None, int | None, int | None, None]
Y, X, KERNEL = range(3)
_FunctionType = TypeVar("_FunctionType", bound=type[Function])


def conv(x: Tensor, kernel: Tensor, *, stride: int = 1, dilation: int = 1) -> Tensor:
    """x (B, C, H, W), kernel (O, C, k, k) to (B, O, H / stride, W / stride), rounded up; equals `ops.conv`.

    A map of one row uses only the kernel's middle row. With kernels (T, O, C, k, k) of T tasks, x is
    (B, T C, H, W) and the result (B, T O, H / stride, W / stride).
    """
    tasks, kernel = (1, kernel) if kernel.ndim == 4 else (len(kernel), _join_kernels(kernel))
    if x.shape[-2] == 1:
        middle = kernel.shape[-2] // 2
        kernel = kernel[..., middle : middle + 1, :]
    setup = Setup(stride, dilation, tasks, tuple(x.shape[-2:]), tuple(kernel.shape[-2:]))
    y: Tensor = _FormGradient.apply(Y, x, kernel, setup)
    return y


def cache_signature(function: _FunctionType) -> _FunctionType:
    """Class decorator that stores forward's signature.

    torch would otherwise compute it at every call, a tenth of the time of a small step.
    """
    function.forward.__signature__ = inspect.signature(function.forward)  # type: ignore[attr-defined]
    return function


@cache_signature
class _FormGradient(Function):
    """The form's gradient for `wrt`, one of Y, X, KERNEL, from the other two arguments in that order."""

    @staticmethod
    def forward(wrt: int, first: Tensor, second: Tensor, setup: Setup) -> Tensor:
        first, second = _autocast(first), _autocast(second)
        if not unfolded.applies(first) or setup.groups == 1:
            return _grouped(wrt, first, second, setup)
        way = _UNFOLDED[wrt]
        about = wrt, first.shape, second.shape, setup, first.dtype
        if unfolded.faster(
            about,
            first.device,
            lambda: _grouped(wrt, first, second, setup),
            lambda: way(first, second, setup),
        ):
            return way(first, second, setup)
        return _grouped(wrt, first, second, setup)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.wrt, first, second, ctx.setup = inputs
        ctx.save_for_backward(first, second)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> Any:
        terms = list(ctx.saved_tensors)
        terms.insert(ctx.wrt, cotangents[0])
        others = [i for i in (Y, X, KERNEL) if i != ctx.wrt]
        pairs = zip(others, ctx.needs_input_grad[1:3], strict=True)
        gradients = [
            _FormGradient.apply(i, *(t for j, t in enumerate(terms) if j != i), ctx.setup) if needed else None
            for i, needed in pairs
        ]
        return None, *gradients, None

    @staticmethod
    def vmap(
        info: Any, dims: _Dims, wrt: int, first: Tensor, second: Tensor, setup: Setup
    ) -> tuple[Tensor, int]:
        """Tasks that share a kernel become examples of the batch; tasks with their own become channels."""
        tasks, (_, first_dim, second_dim, _) = info.batch_size, dims
        if wrt == KERNEL:
            pair = tasks_to_channels(first, first_dim, tasks), tasks_to_channels(second, second_dim, tasks)
            return _FormGradient.apply(wrt, *pair, setup.times(tasks)).unflatten(0, (tasks, -1)), 0
        if second_dim is None:
            examples = first.movedim(first_dim or 0, 0).flatten(0, 1)
            return _FormGradient.apply(wrt, examples, second, setup).unflatten(0, (tasks, -1)), 0
        kernels = second.movedim(second_dim, 0).flatten(0, 1)
        result = _FormGradient.apply(
            wrt, tasks_to_channels(first, first_dim, tasks), kernels, setup.times(tasks)
        )
        return result.unflatten(1, (tasks, -1)), 1


_UNFOLDED = {Y: unfolded.output, X: unfolded.input_gradient, KERNEL: unfolded.kernel_gradient}


def _grouped(wrt: int, first: Tensor, second: Tensor, setup: Setup) -> Tensor:
    """`_FormGradient` by torch's own convolution, with tasks as groups."""
    first, second = _channels_last(first), _channels_last(second)
    if wrt == Y:
        return torch.conv2d(first, second, None, setup.stride, setup.pad, setup.dilation, setup.groups)
    if wrt == X:
        shape = len(first), second.shape[1] * setup.groups, *setup.map_size
        return _conv_gradient((True, False, False), first, _placeholder(first, *shape), second, setup)
    shape = first.shape[1], second.shape[1] // setup.groups, *setup.kernel_size
    return _conv_gradient((False, True, False), first, second, _placeholder(first, *shape), setup)


def _autocast(x: Tensor) -> Tensor:
    """x in the type that autocast asks for, if it is on: the gradients' arguments must agree."""
    kind = x.device.type
    if not torch.amp.is_autocast_available(kind) or not torch.is_autocast_enabled(kind):
        return x
    return x.to(torch.get_autocast_dtype(kind))


def _join_kernels(kernel: Tensor) -> Tensor:
    """(T, O, C, k, k) to (T O, C, k, k) in one copy (also of expanded kernels); on a CPU channels last."""
    if kernel.device.type != "cpu":
        return kernel.flatten(0, 1)
    return kernel.movedim(2, -1).contiguous().flatten(0, 1).movedim(-1, 1)


def tasks_to_channels(x: Tensor, dim: int | None, tasks: int) -> Tensor:
    """T tasks' maps (B, C, H, W), stacked along `dim` (None: shared by all), to (B, T C, H, W).

    No copy is made where memory is already in that order.
    """
    x = x.unsqueeze(1).expand(-1, tasks, -1, -1, -1) if dim is None else x.movedim(dim, 1)
    return x.flatten(1, 2)


def tasks_to_vector(x: Tensor, dim: int | None, tasks: int) -> Tensor:
    """T tasks' vectors (C,), stacked along `dim` (None: shared by all), to (T C,)."""
    return (x.expand(tasks, -1) if dim is None else x.movedim(dim, 0)).flatten()


def _conv_gradient(
    output_mask: tuple[bool, ...], y: Tensor, x: Tensor, kernel: Tensor, setup: Setup
) -> Tensor:
    """torch's gradient of a convolution for the one input that `output_mask` selects.

    Of that input only the shape is read.
    """
    gradients = torch.ops.aten.convolution_backward(
        y,
        x,
        kernel,
        None,
        [setup.stride] * 2,
        setup.pad,
        [setup.dilation] * 2,
        False,
        (0, 0),
        setup.groups,
        output_mask,
    )
    gradient: Tensor = gradients[output_mask.index(True)]
    return gradient


def _placeholder(like: Tensor, *shape: int) -> Tensor:
    """An uninitialised tensor that only tells torch a shape."""
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last)


def _channels_last(x: Tensor) -> Tensor:
    """x with the channels last in memory on a CPU; unchanged elsewhere, where no gain was measured."""
    return x.contiguous(memory_format=torch.channels_last) if x.device.type == "cpu" else x
