"""TC-ResNet8: convolutions over time alone (Choi et al., 2019), and its dilated form (Parnami and Lee, 2020).

All bands of a frame are its channels, so each layer sees the whole spectrum. A convolution over 3 frames is
followed by three residual blocks of two convolutions over 9 frames, the first with stride 2, and a mean over
frames. The dilated form has no strides; its blocks have 7 taps that lie 1, 2 and 4 frames apart. The papers'
`width` is 16. Differences from them: `norm=layer` is the default, and each kind of input and number of bands
has its own first convolution. Of an image a column is a frame.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from metanas.data.episode import TaskSpec
from metanas.models.convolution import conv
from metanas.models.network import Head, Network, stem_name
from metanas.models.norms import norm
from metanas.models.ops import Mask, pool
from metanas.models.tokens import Entry
from metanas.space.network_config import NETWORKS, NetworkConfig

WIDTHS = (1.0, 1.5, 2.0, 3.0)  # channels of the first convolution and the blocks, over `width`


@NETWORKS.register("tc-resnet8")
class TCResNet8(Network):
    """Three residual blocks of convolutions over time, strides of 2 (Choi et al., 2019)."""

    taps: ClassVar[int] = 9
    stride: ClassVar[int] = 2
    dilations: ClassVar[Sequence[int]] = (1, 1, 1)

    def __init__(self, specs: Sequence[TaskSpec], config: NetworkConfig) -> None:
        super().__init__()
        widths = [int(config.width * ratio) for ratio in WIDTHS]
        entries = {_first(spec): Entry(spec, config.width) for spec in specs}
        self.entries = nn.ModuleDict(entries)
        self.first = nn.ParameterDict(
            {name: torch.empty(widths[0], e.channels * e.height, 1, 3) for name, e in entries.items()}
        )
        self.blocks = nn.ModuleList(
            _Residual(inputs, outputs, self.taps, self.stride, dilation, config)
            for inputs, outputs, dilation in zip(widths, widths[1:], self.dilations, strict=False)
        )
        self.heads = nn.ModuleDict({f"ways{n}": Head(widths[-1], n) for n in {s.ways for s in specs}})

    def takes_tasks(self, spec: TaskSpec) -> bool:
        """True for images, whose batches need no mask."""
        return spec.modality == "image"

    def forward(self, x: Tensor, arch: Mapping[str, Tensor], spec: TaskSpec, *, head: bool = True) -> Tensor:
        """x (B, *input_shape) to logits (B, ways), or without the head to features (B, 3 * width).

        `arch` is not used.
        """
        name = _first(spec)
        h, mask = self.entries[name](x)
        mask = None if mask is None else mask[:, :, :1]  # (B, 1, 1, W)
        h = _without_padding(conv(h.flatten(1, 2)[:, :, None], self.first[name]), mask)
        for block in self.blocks:
            h, mask = block(h, mask)
        features = pool(h, mask)
        return self.heads[f"ways{spec.ways}"](features) if head else features


@NETWORKS.register("tc-resnet8-dilated")
class DilatedTCResNet8(TCResNet8):
    """TC-ResNet8 with dilations of 1, 2 and 4 in place of strides (Parnami and Lee, 2020)."""

    taps = 7
    stride = 1
    dilations = (1, 2, 4)


class _Residual(nn.Module):
    """relu(norm(conv(relu(norm(conv(x))))) + relu(norm(conv1(x)))); conv of `taps`, conv1 of one."""

    def __init__(
        self, inputs: int, outputs: int, taps: int, stride: int, dilation: int, config: NetworkConfig
    ) -> None:
        super().__init__()
        self.stride, self.dilation = stride, dilation
        self.weight1 = nn.Parameter(torch.empty(outputs, inputs, 1, taps))
        self.weight2 = nn.Parameter(torch.empty(outputs, outputs, 1, taps))
        self.short = nn.Parameter(torch.empty(outputs, inputs, 1, 1))
        self.norms = nn.ModuleList(norm(config, outputs) for _ in range(3))

    def forward(self, x: Tensor, mask: Mask) -> tuple[Tensor, Mask]:
        """x (B, inputs, 1, W), mask (B, 1, 1, W) or None, to (B, outputs, 1, W / stride) and its mask."""
        first, second, short = self.norms
        mask = None if mask is None else mask[..., :: self.stride]
        h = first(conv(x, self.weight1, stride=self.stride, dilation=self.dilation), mask).relu()
        h = second(conv(h, self.weight2, dilation=self.dilation), mask)
        return (h + short(conv(x, self.short, stride=self.stride), mask).relu()).relu(), mask


def _first(spec: TaskSpec) -> str:
    """The name of the first convolution for a spec: one for each number of rows, which are its channels."""
    rows = 1 if spec.modality in ("text", "series") else spec.input_shape[-2]
    return f"{stem_name(spec)}x{rows}"


def _without_padding(x: Tensor, mask: Mask) -> Tensor:
    return x if mask is None else x * mask
