"""The networks of keyword spotting, against torch's own layers and the sizes that their papers print."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from metanas.base.errors import InvalidValue
from metanas.base.seeding import generator
from metanas.data.episode import TaskSpec
from metanas.models.build import build
from metanas.models.network import Network
from metanas.params import Tensors
from metanas.space.network_config import NetworkConfig
from metanas.space.space import SearchSpace

SPEC = TaskSpec("words", "speech", (40, 51), ways=12)


def made(kind: str, width: int) -> tuple[Network, Tensors]:
    net = build(NetworkConfig(kind=kind, width=width), SearchSpace(), [SPEC]).double()
    noise = generator(1, "noise")
    weights = {
        name: (t + 0.1 * torch.randn(t.shape, generator=noise)).double()
        for name, t in net.init(generator(0, "net")).weights.items()
    }
    return net, weights


def answer(net: Network, weights: Tensors, x: Tensor, *, head: bool = False) -> Tensor:
    found: Tensor = functional_call(net, weights, (x, {}, SPEC), {"head": head})
    return found


def clips(count: int, frames: int = 51) -> Tensor:
    x = torch.randn(count, 40, 51, generator=generator(2, "clips"), dtype=torch.float64)
    x[..., frames:] = torch.nan
    return x


def group_norm(h: Tensor, weights: Tensors, name: str) -> Tensor:
    return F.group_norm(h, 1, weights[f"{name}.scale"], weights[f"{name}.bias"])


@pytest.mark.parametrize(
    ("kind", "taps", "stride", "dilations"),
    [("tc-resnet8", 9, 2, (1, 1, 1)), ("tc-resnet8-dilated", 7, 1, (1, 2, 4))],
)
@pytest.mark.parametrize("frames", [51, 37])
def test_tc_resnet_is_one_dimensional_convolutions_of_the_bands(
    kind: str, taps: int, stride: int, dilations: tuple[int, ...], frames: int
) -> None:
    net, weights = made(kind, 16)

    def conv(h: Tensor, name: str, stride: int = 1, dilation: int = 1) -> Tensor:
        kernel = weights[name].squeeze(2)
        return F.conv1d(
            h, kernel, stride=stride, dilation=dilation, padding=dilation * (kernel.shape[-1] // 2)
        )

    x = clips(3, frames)
    h = conv(x[..., :frames], "first.speechx40")  # a clip without its padding
    for i, dilation in enumerate(dilations):
        block = f"blocks.{i}"
        assert weights[f"{block}.weight1"].shape[-1] == taps
        a = group_norm(conv(h, f"{block}.weight1", stride, dilation), weights, f"{block}.norms.0").relu()
        a = group_norm(conv(a, f"{block}.weight2", 1, dilation), weights, f"{block}.norms.1")
        b = group_norm(conv(h, f"{block}.short", stride), weights, f"{block}.norms.2").relu()
        h = (a + b).relu()
    torch.testing.assert_close(answer(net, weights, x), h.mean(-1), rtol=1e-10, atol=1e-12)


def test_tc_resnet8_has_the_papers_66_thousand_parameters() -> None:
    _, weights = made("tc-resnet8", 16)
    convolutions = 3 * 40 * 16 + sum(9 * a * b + 9 * b * b + a * b for a, b in ((16, 24), (24, 32), (32, 48)))
    norms, head = 3 * 2 * (24 + 32 + 48), 48 * 12 + 12
    total = sum(t.numel() for t in weights.values())
    assert total == convolutions + norms + head == 65_148  # "66K" in table 1 of Choi et al. (2019)


def test_cnn_trad_fpool3_is_torchs_layers_and_flattens_to_the_authors_11776() -> None:
    net, weights = made("cnn-trad-fpool3", 64)
    x = clips(2, 40)
    h = F.conv2d(torch.nan_to_num(x)[:, None], weights["first"])
    h = F.max_pool2d(group_norm(h, weights, "norms.0").relu(), (3, 1))
    h = group_norm(F.conv2d(h, weights["second"]), weights, "norms.1").relu().flatten(1)
    assert h.shape[1] == 11776  # of 40 bands and 51 frames, in the authors' program
    h = F.linear(h, weights["linear.11776.weight"], weights["linear.11776.bias"]).relu()
    h = F.linear(h, weights["dense.weight"], weights["dense.bias"]).sigmoid()
    torch.testing.assert_close(answer(net, weights, x), h, rtol=1e-10, atol=1e-12)


def test_tc_resnet_reads_inputs_of_several_heights() -> None:
    specs = [TaskSpec("a", "image", (1, 28, 28), 5), TaskSpec("b", "image", (1, 32, 32), 5)]
    net = build(NetworkConfig(kind="tc-resnet8", width=4), SearchSpace(), specs)
    weights = net.init(generator(0, "net")).weights
    assert weights["first.image1x28"].shape[1] == 28 and weights["first.image1x32"].shape[1] == 32
    for spec in specs:
        assert functional_call(net, weights, (torch.ones(2, *spec.input_shape), {}, spec)).shape == (2, 5)


def test_cnn_trad_fpool3_says_that_it_takes_speech() -> None:
    with pytest.raises(InvalidValue, match="takes speech alone, digits is image"):
        build(
            NetworkConfig(kind="cnn-trad-fpool3"),
            SearchSpace(),
            [SPEC, TaskSpec("digits", "image", (1, 28, 28), 5)],
        )
