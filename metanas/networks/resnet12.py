"""ResNet-12 in small: the deeper backbone of few-shot learning (Oreshkin et al., 2018, TADAM).

Four residual blocks of three 3x3 convolutions with a 1x1 shortcut, leaky ReLU 0.1, 2x2 max pooling, mean
over positions. Where we differ: `width` counts the first block's filters and each block has twice as many
(64 and so 64-128-256-512 in papers; the default of `small` is what two cores can train: width 16), one
first block per kind of input, no DropBlock.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metanas.episode import TaskSpec
from metanas.kinds import NETWORKS
from metanas.networks.choice import Choice
from metanas.networks.conv4 import halve
from metanas.networks.convolve import conv
from metanas.networks.entry import Entry
from metanas.networks.network import Head, Network, stem_name
from metanas.networks.norms import norm
from metanas.supernet.ops import Mask, pool


@NETWORKS.register("resnet12")
class ResNet12(Network):
    """Four residual blocks of three convolutions (Oreshkin et al., 2018); width doubles per block."""

    def __init__(self, specs: Sequence[TaskSpec], choice: Choice) -> None:
        super().__init__()
        widths = [choice.width * 2**i for i in range(4)]
        entries = {stem_name(spec): Entry(spec, choice.width) for spec in specs}
        self.entries = nn.ModuleDict(entries)
        self.first = nn.ModuleDict(
            {name: Residual(entry.channels, widths[0], choice) for name, entry in entries.items()}
        )
        self.blocks = nn.ModuleList(
            Residual(before, after, choice) for before, after in zip(widths, widths[1:], strict=False)
        )
        self.heads = nn.ModuleDict({f"ways{n}": Head(widths[-1], n) for n in {s.ways for s in specs}})

    def takes_tasks(self, spec: TaskSpec) -> bool:
        return spec.modality == "image"

    def forward(self, x: Tensor, arch: Mapping[str, Tensor], spec: TaskSpec, *, head: bool = True) -> Tensor:
        name = stem_name(spec)
        h, mask = self.entries[name](x)
        for block in (self.first[name], *self.blocks):
            h, mask = block(h, mask)
        found = pool(h, mask)
        return self.heads[f"ways{spec.ways}"](found) if head else found


class Residual(nn.Module):
    """(B, before, H, W) to (B, after, H / 2, W / 2)."""

    def __init__(self, before: int, after: int, choice: Choice) -> None:
        super().__init__()
        sizes = [before, after, after]
        self.weights = nn.ParameterList(torch.empty(after, size, 3, 3) for size in sizes)
        self.norms = nn.ModuleList(norm(choice, after) for _ in sizes)
        self.short_weight = nn.Parameter(torch.empty(after, before, 1, 1))
        self.short_norm = norm(choice, after)

    def forward(self, x: Tensor, mask: Mask) -> tuple[Tensor, Mask]:
        h = x
        for i, (weight, normalise) in enumerate(zip(self.weights, self.norms, strict=True)):
            h = normalise(conv(h, weight), mask)
            if i < 2:
                h = F.leaky_relu(h, 0.1)
        h = F.leaky_relu(h + self.short_norm(conv(x, self.short_weight), mask), 0.1)
        if mask is None:
            return halve(h), None
        there = halve(mask)
        return halve(h.masked_fill(mask == 0, torch.finfo(h.dtype).min)) * there, there
