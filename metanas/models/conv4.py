"""Conv-4, the backbone of few-shot learning since Vinyals et al. (2016), sec. 4.1.2.

Four blocks of 3x3 convolution, normalisation, ReLU and 2x2 max pooling. MAML's Omniglot network has stride 2
instead of pooling and a mean over positions (Finn et al., 2017, sec. 5.2): `down=stride`, `read=mean`.
Differences from the papers: `norm=layer` is the default (see `space/network_config.py`), and each kind of
input has its own first block, so that images, text and speech share the other three.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metanas.data.episode import TaskSpec
from metanas.models.convolution import conv
from metanas.models.network import Head, Network, stem_name
from metanas.models.norms import norm
from metanas.models.ops import Mask, pool
from metanas.models.tokens import Entry
from metanas.space.network_config import NETWORKS, NetworkConfig

BLOCKS = 4


@NETWORKS.register("conv4")
class Conv4(Network):
    """Four blocks of convolution, norm, ReLU and halving (Vinyals et al., 2016)."""

    def __init__(self, specs: Sequence[TaskSpec], config: NetworkConfig) -> None:
        super().__init__()
        self.read, self.width = config.read, (width := config.width)
        entries = {stem_name(spec): Entry(spec, width) for spec in specs}
        self.entries = nn.ModuleDict(entries)
        self.first = nn.ModuleDict({name: _Block(entry.channels, config) for name, entry in entries.items()})
        self.blocks = nn.ModuleList(_Block(width, config) for _ in range(BLOCKS - 1))
        heads = {(spec.ways, self._features(Entry(spec, width), config)) for spec in specs}
        self.heads = nn.ModuleDict({f"ways{ways}x{size}": Head(size, ways) for ways, size in sorted(heads)})

    def takes_tasks(self, spec: TaskSpec) -> bool:
        """True for images, whose batches need no mask."""
        return spec.modality == "image"

    def forward(self, x: Tensor, arch: Mapping[str, Tensor], spec: TaskSpec, *, head: bool = True) -> Tensor:
        """x (B, *input_shape) to logits (B, ways), or without the head to features (B, F).

        F is width * H * W of the last feature map, or width with `read=mean`. `arch` is not used.
        """
        name = stem_name(spec)
        h, mask = self.entries[name](x)
        for block in (self.first[name], *self.blocks):
            h, mask = block(h, mask)
        features = pool(h, mask) if self.read == "mean" else h.flatten(1)
        size = features.shape[1] * self.width // h.shape[1]  # F of one of the T tasks
        return self.heads[f"ways{spec.ways}x{size}"](features) if head else features

    def _features(self, entry: Entry, config: NetworkConfig) -> int:
        if self.read == "mean":
            return config.width
        height, width = entry.height, entry.width
        for _ in range(BLOCKS):
            height, width = _halved(height, config.down), _halved(width, config.down)
        return config.width * height * width


class _Block(nn.Module):
    """3x3 convolution, norm, ReLU and halving by pooling or stride."""

    def __init__(self, channels: int, config: NetworkConfig) -> None:
        super().__init__()
        self.down = config.down
        self.weight = nn.Parameter(torch.empty(config.width, channels, 3, 3))
        self.norm = norm(config, config.width)

    def forward(self, x: Tensor, mask: Mask) -> tuple[Tensor, Mask]:
        """x (B, C, H, W) and mask (B, 1, H, W) or None to (B, width, H / 2, W / 2) and its mask.

        Sides are rounded down with pooling, up with stride; a side of 1 stays 1.
        """
        if self.down == "stride":
            x = conv(x, self.weight, stride=2)
            mask = None if mask is None else mask[..., ::2, ::2]
            return self.norm(x, mask).relu(), mask
        x = self.norm(conv(x, self.weight), mask).relu()
        return halve(x), None if mask is None else halve(mask)


def halve(x: Tensor) -> Tensor:
    """2x2 max pooling (B, C, H, W) to (B, C, H // 2, W // 2); a side of 1 stays 1."""
    return F.max_pool2d(x, (min(2, x.shape[-2]), min(2, x.shape[-1])))


def _halved(side: int, down: str) -> int:
    """The side of a feature map after one block; down: `pool` or `stride`."""
    return (side + 1) // 2 if down == "stride" else max(side // 2, 1)
