"""The fixed networks' convolution: torch's values, gradients and theirs, alone and over tasks."""

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from metanas.base.seeding import generator
from metanas.models import ops
from metanas.models.convolution import conv

DICE = generator(0, "convolve")
SHAPES = [(1, 5, 4, 3), (2, 5, 4, 3), (2, 1, 6, 3), (1, 1, 6, 1)]  # stride, H, W, k


def numbers(*shape: int) -> Tensor:
    return torch.randn(shape, generator=DICE, dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize(("stride", "rows", "columns", "size"), SHAPES)
def test_derivatives_are_those_of_finite_differences(stride: int, rows: int, columns: int, size: int) -> None:
    x, kernel = numbers(2, 2, rows, columns), numbers(3, 2, size, size)

    def ours(x: Tensor, kernel: Tensor) -> Tensor:
        return conv(x, kernel, stride=stride)

    torch.testing.assert_close(ours(x, kernel), ops.conv(x, kernel, stride=stride))
    assert torch.autograd.gradcheck(ours, (x, kernel))
    assert torch.autograd.gradgradcheck(ours, (x, kernel))


@pytest.mark.parametrize(("x_is_shared", "kernel_is_shared"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize(("stride", "rows", "columns", "size"), SHAPES)
def test_tasks_side_by_side_are_tasks_in_turn(
    stride: int, rows: int, columns: int, size: int, x_is_shared: bool, kernel_is_shared: bool
) -> None:
    tasks = 3
    x = numbers(2, 2, rows, columns) if x_is_shared else numbers(tasks, 2, 2, rows, columns)
    kernel = numbers(3, 2, size, size) if kernel_is_shared else numbers(tasks, 3, 2, size, size)
    where = (None if x_is_shared else 0, None if kernel_is_shared else 0)
    together = vmap(lambda x, kernel: conv(x, kernel, stride=stride), in_dims=where)(x, kernel)
    rows_of = [(x if x_is_shared else x[t], kernel if kernel_is_shared else kernel[t]) for t in range(tasks)]
    apart = torch.stack([ops.conv(*row, stride=stride) for row in rows_of])
    for a, b in zip(_thrice(together, x, kernel), _thrice(apart, x, kernel), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


def _thrice(y: Tensor, *at: Tensor) -> list[Tensor]:
    """The values, the gradient of a sum of them, and twice that of the last gradient's squared norm."""
    found, total = [y], y.tanh().sum()
    for _ in range(3):
        slopes = torch.autograd.grad(total, at, create_graph=True)
        found += slopes
        total = torch.stack([g.square().sum() for g in slopes]).sum()
    return found
