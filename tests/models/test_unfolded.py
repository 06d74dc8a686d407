"""Convolutions as unfolded products equal torch's grouped ones and their gradients."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from metanas.base.seeding import generator
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.meta.batching import Batching
from metanas.meta.inner import ParamGroups
from metanas.meta.loss import TaskLoss
from metanas.meta.maml import meta_gradient
from metanas.meta.optimizers import sgd
from metanas.models import convolution, unfolded
from metanas.models.build import build
from metanas.models.convolution import KERNEL, X, Y, conv
from metanas.params import detach, tree_map
from metanas.space.network_config import NetworkConfig
from metanas.space.space import SearchSpace
from tests import tiny

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


@pytest.mark.parametrize(
    ("kind", "batching"), [("supernet", "vmap"), ("conv4", "vmap"), ("conv4", "shared"), ("resnet12", "vmap")]
)
@pytest.mark.parametrize("spec", tiny.SPECS, ids=lambda spec: spec.modality)
def test_meta_gradients_are_the_same_by_the_ways_of_a_card(
    spec: TaskSpec, kind: str, batching: Batching, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = SearchSpace(layers=1, channels=4, reductions=(), ops=("conv3", "dilconv3", "fc", "gru-half"))
    net = build(NetworkConfig(kind, width=4), space, [spec]).double()
    noise = generator(5, "card")
    params = tree_map(lambda t: (t + 0.1 * torch.randn(t.shape, generator=noise)).double(), net.init(noise))
    x = tiny.inputs(spec, 12).unflatten(0, (3, 4))
    y = torch.arange(2).repeat(3, 1)
    episodes = Episodes(spec, Batch(x[:, :2], y), Batch(x[:, 2:], y))

    def gradient() -> dict[str, Tensor]:
        policy, loss = ParamGroups(sgd(0.3), sgd(0.3)), TaskLoss(net, spec, batching=batching)
        return meta_gradient(loss, detach(params), episodes, policy=policy, order=2, steps=[0.0, 1.0])[0]

    expected = gradient()
    taken: list[object] = []
    monkeypatch.setattr(unfolded, "applies", lambda t: True)
    monkeypatch.setattr(unfolded, "faster", lambda about, *rest: bool(taken.append(about)) or True)
    for name, g in gradient().items():
        torch.testing.assert_close(g, expected[name], rtol=1e-9, atol=1e-11, msg=name)
    assert taken


def test_a_dilated_convolution_equals_torch() -> None:
    dice = generator(1, "unfolded")
    x = torch.randn(BATCH, INPUTS, 9, 8, generator=dice, dtype=torch.float64)
    kernel = torch.randn(OUTPUTS, INPUTS, 3, 3, generator=dice, dtype=torch.float64)
    expected = torch.nn.functional.conv2d(x, kernel, padding=2, dilation=2)
    torch.testing.assert_close(conv(x, kernel, dilation=2), expected, rtol=1e-10, atol=1e-10)
