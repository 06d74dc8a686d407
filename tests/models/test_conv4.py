"""conv4 against torch.nn layers, and what its options do."""

import pytest
import torch
from torch import nn

from metanas.base.seeding import generator
from metanas.data.episode import TaskSpec
from metanas.models.build import build
from metanas.models.network import apply, features
from metanas.params import tree_map
from metanas.space.network_config import NetworkConfig
from metanas.space.space import SearchSpace

SPEC = TaskSpec("grey", "image", (1, 28, 28), 5)


@pytest.mark.parametrize("down", ["pool", "stride"])
def test_conv4_with_batch_norm_equals_torch_layers(down: str) -> None:
    net = build(NetworkConfig("conv4", width=6, norm="batch", down=down), SearchSpace(), [SPEC])  # type: ignore[arg-type]
    params = tree_map(lambda t: t.double(), net.double().init(generator(0, "conv4")))
    layers: list[nn.Module] = []
    names = ["first.image1", *(f"blocks.{i}" for i in range(3))]
    for name in names:
        weight = params.weights[f"{name}.weight"]
        layer = nn.Conv2d(weight.shape[1], 6, 3, stride=2 if down == "stride" else 1, padding=1, bias=False)
        layer.weight = nn.Parameter(weight)
        layers += [layer, nn.BatchNorm2d(6, track_running_stats=False).double(), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if down == "pool" else []
    theirs = nn.Sequential(*layers, nn.Flatten())
    x = torch.randn(7, 1, 28, 28, generator=generator(1, "x"), dtype=torch.float64)
    torch.testing.assert_close(features(net, params, x, SPEC), theirs(x), rtol=1e-9, atol=1e-9)


def test_batch_norm_is_transductive_and_layer_norm_is_not() -> None:
    assert NetworkConfig("conv4", norm="batch").transductive
    assert not NetworkConfig("conv4").transductive
    assert not NetworkConfig("supernet", norm="batch").transductive
    net = build(NetworkConfig("conv4", width=4, norm="batch"), SearchSpace(), [SPEC])
    params = tree_map(lambda t: t + 0.1, net.init(generator(0, "conv4")))
    x = torch.randn(3, 1, 28, 28, generator=generator(1, "x"))
    assert not torch.allclose(features(net, params, x[:2], SPEC)[0], features(net, params, x, SPEC)[0])
    assert apply(net, params, x, SPEC).shape == (3, 5)
