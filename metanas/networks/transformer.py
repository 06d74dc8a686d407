"""A small transformer encoder: tokens, frames or image patches, and the mean of what comes out.

Vaswani et al. (2017) with the norm before each sub-layer (Xiong et al., 2020); image patches as in
Dosovitskiy et al. (2021). The attention is the supernet's own `attn` node.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metanas.episode import TaskSpec
from metanas.kinds import NETWORKS, OPS
from metanas.networks.choice import Choice
from metanas.networks.entry import Patches, mean_token
from metanas.networks.network import Head, Network, stem_name

PATCH = 4  # pixels of a square's side, frames of a token


@NETWORKS.register("transformer")
class Transformer(Network):
    """A pre-norm transformer encoder over tokens, frames or image patches (Vaswani et al., 2017)."""

    def __init__(self, specs: Sequence[TaskSpec], choice: Choice) -> None:
        super().__init__()
        kinds = {stem_name(spec): Patches(spec, choice.width, PATCH) for spec in specs}
        self.entries = nn.ModuleDict(kinds)
        self.project = nn.ParameterDict(
            {name: torch.empty(choice.width, kind.features) for name, kind in kinds.items()}
        )
        self.blocks = nn.ModuleList(Encoder(choice.width) for _ in range(choice.depth))
        self.last = TokenNorm(choice.width)
        self.heads = nn.ModuleDict({f"ways{n}": Head(choice.width, n) for n in {s.ways for s in specs}})

    def forward(self, x: Tensor, arch: Mapping[str, Tensor], spec: TaskSpec, *, head: bool = True) -> Tensor:
        name = stem_name(spec)
        tokens, mask = self.entries[name](x)
        tokens = tokens @ self.project[name].T
        for block in self.blocks:
            tokens = block(tokens, mask)
        found = mean_token(self.last(tokens), mask)
        return self.heads[f"ways{spec.ways}"](found) if head else found


class Encoder(nn.Module):
    """Attention and a perceptron of twice the width, each added to its input: (B, S, F) to (B, S, F)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = OPS["attn"](width)
        self.before, self.between = TokenNorm(width), TokenNorm(width)
        self.in_weight = nn.Parameter(torch.empty(2 * width, width))
        self.in_bias = nn.Parameter(torch.empty(2 * width))
        self.out_weight = nn.Parameter(torch.empty(width, 2 * width))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        line = self.before(x).transpose(1, 2)[:, :, None]  # (B, F, 1, S), as the node wants it
        mixed = self.attention(line, None if mask is None else mask[:, None, None])
        x = x + mixed.squeeze(2).transpose(1, 2)
        hidden = F.gelu(F.linear(self.between(x), self.in_weight, self.in_bias))
        return x + F.linear(hidden, self.out_weight)


class TokenNorm(nn.Module):
    """Layer normalisation of each token (Ba et al., 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(width))
        self.bias = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.scale, self.bias)
