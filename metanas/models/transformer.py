"""A small transformer encoder over tokens, frames or image patches; the head reads the mean of its outputs.

Vaswani et al. (2017) with the norm before each sub-layer (Xiong et al., 2020); image patches as in
Dosovitskiy et al. (2021). The attention is the supernet's op `attn`.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metanas.data.episode import TaskSpec
from metanas.models.network import Head, Network, stem_name
from metanas.models.tokens import Patches, mean_token
from metanas.space.candidates import OPS
from metanas.space.network_config import NETWORKS, NetworkConfig

PATCH = 4  # side of an image patch in pixels, frames per token


@NETWORKS.register("transformer")
class Transformer(Network):
    """A pre-norm transformer encoder over tokens, frames or image patches (Vaswani et al., 2017)."""

    shares_gradients = False  # torch's layer norm loses a term there: up to 1 % of a second-order gradient

    def __init__(self, specs: Sequence[TaskSpec], config: NetworkConfig) -> None:
        super().__init__()
        entries = {stem_name(spec): Patches(spec, config.width, PATCH) for spec in specs}
        self.entries = nn.ModuleDict(entries)
        self.project = nn.ParameterDict(
            {name: torch.empty(config.width, entry.features) for name, entry in entries.items()}
        )
        self.blocks = nn.ModuleList(_Encoder(config.width) for _ in range(config.depth))
        self.last = _TokenNorm(config.width)
        self.heads = nn.ModuleDict({f"ways{n}": Head(config.width, n) for n in {s.ways for s in specs}})

    def forward(self, x: Tensor, arch: Mapping[str, Tensor], spec: TaskSpec, *, head: bool = True) -> Tensor:
        """x (B, *input_shape) to logits (B, ways), or without the head to features (B, width).

        `arch` is not used.
        """
        name = stem_name(spec)
        tokens, mask = self.entries[name](x)
        tokens = tokens @ self.project[name].T
        for block in self.blocks:
            tokens = block(tokens, mask)
        features = mean_token(self.last(tokens), mask)
        return self.heads[f"ways{spec.ways}"](features) if head else features


class _Encoder(nn.Module):
    """One encoder block: attention and a perceptron of twice the width, each with a residual connection."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = OPS["attn"](width)
        self.before, self.between = _TokenNorm(width), _TokenNorm(width)
        self.in_weight = nn.Parameter(torch.empty(2 * width, width))
        self.in_bias = nn.Parameter(torch.empty(2 * width))
        self.out_weight = nn.Parameter(torch.empty(width, 2 * width))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """x (B, S, F), mask (B, S) or None, to (B, S, F)."""
        sequence = self.before(x).transpose(1, 2)[:, :, None]  # (B, F, 1, S), a map of one row
        attended = self.attention(sequence, None if mask is None else mask[:, None, None])
        x = x + attended.squeeze(2).transpose(1, 2)
        hidden = F.gelu(F.linear(self.between(x), self.in_weight, self.in_bias))
        return x + F.linear(hidden, self.out_weight)


class _TokenNorm(nn.Module):
    """Layer normalisation of each token (Ba et al., 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(width))
        self.bias = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, S, F) to the same shape."""
        return F.layer_norm(x, x.shape[-1:], self.scale, self.bias)
