"""Convolutions as unfolded products equal torch's grouped ones and their gradients."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from metanas.base.seeding import generator
from metanas.models import convolution, unfolded
from metanas.models.convolution import KERNEL, X, Y, conv

TASKS, BATCH, INPUTS, OUTPUTS = 3, 2, 4, 5
SHAPES = [
    (7, 6, 3, 1, 1),
    (8, 7, 3, 2, 1),
    (9, 9, 3, 1, 2),
    (5, 5, 5, 1, 1),
    (6, 5, 1, 1, 1),
    (1, 9, 3, 2, 1),
]


def grouped(wrt: int, first: Tensor, second: Tensor, setup: Any) -> Tensor:
    return convolution._grouped(wrt, first, second, setup)


@pytest.mark.parametrize(("height", "width", "size", "stride", "dilation"), SHAPES)
@pytest.mark.parametrize("wrt", [Y, X, KERNEL])
def test_equal_to_the_grouped_convolution(
    wrt: int, height: int, width: int, size: int, stride: int, dilation: int
) -> None:
    dice = generator(0, "unfolded")
    kernel_size = (1 if height == 1 else size, size)
    setup = unfolded.Setup(stride, dilation, TASKS, (height, width), kernel_size)
    x = torch.randn(BATCH, TASKS * INPUTS, height, width, generator=dice, dtype=torch.float64)
    kernel = torch.randn(TASKS * OUTPUTS, INPUTS, *kernel_size, generator=dice, dtype=torch.float64)
    y = torch.randn(grouped(Y, x, kernel, setup).shape, generator=dice, dtype=torch.float64)
    pair = [t for i, t in enumerate((y, x, kernel)) if i != wrt]
    ways: dict[int, Callable[..., Tensor]] = convolution._UNFOLDED
    torch.testing.assert_close(ways[wrt](*pair, setup), grouped(wrt, *pair, setup), rtol=1e-10, atol=1e-10)


def test_maps_in_the_order_of_tasks_are_read_without_a_copy() -> None:
    y = torch.randn(TASKS * OUTPUTS, BATCH, 3, 3).transpose(0, 1)
    assert unfolded._rows(y, TASKS).data_ptr() == y.data_ptr()


def test_a_dilated_convolution_equals_torch() -> None:
    dice = generator(1, "unfolded")
    x = torch.randn(BATCH, INPUTS, 9, 8, generator=dice, dtype=torch.float64)
    kernel = torch.randn(OUTPUTS, INPUTS, 3, 3, generator=dice, dtype=torch.float64)
    expected = torch.nn.functional.conv2d(x, kernel, padding=2, dilation=2)
    torch.testing.assert_close(conv(x, kernel, dilation=2), expected, rtol=1e-10, atol=1e-10)
