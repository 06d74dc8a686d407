"""Conv-4, the backbone of few-shot learning since Vinyals et al. (2016), sec. 4.1.2.

Four blocks of 3x3 convolution, normalisation, ReLU and 2x2 max pooling; MAML's Omniglot network has
stride 2 instead of pooling and a mean over positions (Finn et al., 2017, sec. 5.2): `down=stride`,
`read=mean`. Where we differ: `norm=layer` is the default (see `choice.py`), and the first block is one
per kind of input, so that images, text and speech share the other three.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metanas.episode import TaskSpec
from metanas.kinds import NETWORKS
from metanas.networks.choice import Choice
from metanas.networks.convolve import conv
from metanas.networks.entry import Entry
from metanas.networks.network import Head, Network, stem_name
from metanas.networks.norms import norm
from metanas.supernet.ops import Mask, pool

BLOCKS = 4


@NETWORKS.register("conv4")
class Conv4(Network):
    """Four blocks of convolution, norm, ReLU and halving (Vinyals et al., 2016)."""

    def __init__(self, specs: Sequence[TaskSpec], choice: Choice) -> None:
        super().__init__()
        self.read, self.width = choice.read, (width := choice.width)
        entries = {stem_name(spec): Entry(spec, width) for spec in specs}
        self.entries = nn.ModuleDict(entries)
        self.first = nn.ModuleDict({name: Block(entry.channels, choice) for name, entry in entries.items()})
        self.blocks = nn.ModuleList(Block(width, choice) for _ in range(BLOCKS - 1))
        heads = {(spec.ways, self._features(Entry(spec, width), choice)) for spec in specs}
        self.heads = nn.ModuleDict({f"ways{ways}x{size}": Head(size, ways) for ways, size in sorted(heads)})

    def takes_tasks(self, spec: TaskSpec) -> bool:
        return spec.modality == "image"

    def forward(self, x: Tensor, arch: Mapping[str, Tensor], spec: TaskSpec, *, head: bool = True) -> Tensor:
        name = stem_name(spec)
        h, mask = self.entries[name](x)
        for block in (self.first[name], *self.blocks):
            h, mask = block(h, mask)
        found = pool(h, mask) if self.read == "mean" else h.flatten(1)
        size = found.shape[1] * self.width // h.shape[1]  # of one task
        return self.heads[f"ways{spec.ways}x{size}"](found) if head else found

    def _features(self, entry: Entry, choice: Choice) -> int:
        if self.read == "mean":
            return choice.width
        rows, columns = entry.height, entry.width
        for _ in range(BLOCKS):
            rows, columns = halved(rows, choice.down), halved(columns, choice.down)
        return choice.width * rows * columns


class Block(nn.Module):
    """(B, C, H, W) to (B, width, H / 2, W / 2); a side of 1 stays."""

    def __init__(self, channels: int, choice: Choice) -> None:
        super().__init__()
        self.down = choice.down
        self.weight = nn.Parameter(torch.empty(choice.width, channels, 3, 3))
        self.norm = norm(choice, choice.width)

    def forward(self, x: Tensor, mask: Mask) -> tuple[Tensor, Mask]:
        if self.down == "stride":
            x = conv(x, self.weight, stride=2)
            mask = None if mask is None else mask[..., ::2, ::2]
            return self.norm(x, mask).relu(), mask
        x = self.norm(conv(x, self.weight), mask).relu()
        return halve(x), None if mask is None else halve(mask)


def halve(x: Tensor) -> Tensor:
    """2x2 maximum, an odd last row or column left out; a side of 1 stays."""
    return F.max_pool2d(x, (min(2, x.shape[-2]), min(2, x.shape[-1])))


def halved(side: int, down: str) -> int:
    """The side of a map after one block."""
    return (side + 1) // 2 if down == "stride" else max(side // 2, 1)
