"""ResNet-12, the deeper backbone of few-shot learning (Oreshkin et al., 2018, TADAM), in a smaller width.

Four residual blocks of three 3x3 convolutions with a 1x1 shortcut, leaky ReLU of slope 0.1 and 2x2 max
pooling, then a mean over positions. Differences from the paper: `width` is the first block's filters, doubled
in each block (the papers' 64-128-256-512 is width 64; width 16 is what two CPU cores can train); each kind of
input has its own first block; no DropBlock.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metanas.data.episode import TaskSpec
from metanas.models.conv4 import halve
from metanas.models.convolution import conv
from metanas.models.network import Head, Network, stem_name
from metanas.models.norms import norm
from metanas.models.ops import Mask, pool
from metanas.models.tokens import Entry
from metanas.space.network_config import NETWORKS, NetworkConfig


@NETWORKS.register("resnet12")
class ResNet12(Network):
    """Four residual blocks of three convolutions (Oreshkin et al., 2018); width doubles per block."""

    def __init__(self, specs: Sequence[TaskSpec], config: NetworkConfig) -> None:
        super().__init__()
        widths = [config.width * 2**i for i in range(4)]
        entries = {stem_name(spec): Entry(spec, config.width) for spec in specs}
        self.entries = nn.ModuleDict(entries)
        self.first = nn.ModuleDict(
            {name: _Residual(entry.channels, widths[0], config) for name, entry in entries.items()}
        )
        self.blocks = nn.ModuleList(
            _Residual(inputs, outputs, config) for inputs, outputs in zip(widths, widths[1:], strict=False)
        )
        self.heads = nn.ModuleDict({f"ways{n}": Head(widths[-1], n) for n in {s.ways for s in specs}})

    def takes_tasks(self, spec: TaskSpec) -> bool:
        """True for images, whose batches need no mask."""
        return spec.modality == "image"

    def forward(self, x: Tensor, arch: Mapping[str, Tensor], spec: TaskSpec, *, head: bool = True) -> Tensor:
        """x (B, *input_shape) to logits (B, ways), or without the head to features (B, 8 * width).

        `arch` is not used.
        """
        name = stem_name(spec)
        h, mask = self.entries[name](x)
        for block in (self.first[name], *self.blocks):
            h, mask = block(h, mask)
        features = pool(h, mask)
        return self.heads[f"ways{spec.ways}"](features) if head else features


class _Residual(nn.Module):
    """A residual block from `inputs` to `outputs` channels: three convolutions, a shortcut, pooling."""

    def __init__(self, inputs: int, outputs: int, config: NetworkConfig) -> None:
        super().__init__()
        channels = [inputs, outputs, outputs]
        self.weights = nn.ParameterList(torch.empty(outputs, size, 3, 3) for size in channels)
        self.norms = nn.ModuleList(norm(config, outputs) for _ in channels)
        self.short_weight = nn.Parameter(torch.empty(outputs, inputs, 1, 1))
        self.short_norm = norm(config, outputs)

    def forward(self, x: Tensor, mask: Mask) -> tuple[Tensor, Mask]:
        """x (B, inputs, H, W), mask (B, 1, H, W) or None, to (B, outputs, H // 2, W // 2) and its mask."""
        h = x
        for i, (weight, normalise) in enumerate(zip(self.weights, self.norms, strict=True)):
            h = normalise(conv(h, weight), mask)
            if i < 2:
                h = F.leaky_relu(h, 0.1)
        h = F.leaky_relu(h + self.short_norm(conv(x, self.short_weight), mask), 0.1)
        if mask is None:
            return halve(h), None
        pooled_mask = halve(mask)
        return halve(h.masked_fill(mask == 0, torch.finfo(h.dtype).min)) * pooled_mask, pooled_mask
