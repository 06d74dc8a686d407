"""A small transformer encoder over tokens, frames or image patches; the head reads the mean of its outputs.

Vaswani et al. (2017) with the norm before each sub-layer (Xiong et al., 2020); image patches as in
Dosovitskiy et al. (2021). The attention is the supernet's op `attn`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metanas.models.tokens import TokenNet, mean_token
from metanas.space.candidates import OPS
from metanas.space.network_config import NETWORKS, NetworkConfig


@NETWORKS.register("transformer")
class Transformer(TokenNet):
    """A pre-norm transformer encoder over tokens, frames or image patches (Vaswani et al., 2017)."""

    shares_gradients = False  # torch's layer norm loses a term there: up to 1 % of a second-order gradient

    def add_layers(self, config: NetworkConfig) -> None:
        """As of `TokenNet`."""
        self.blocks = nn.ModuleList(_Encoder(config.width) for _ in range(config.depth))
        self.last = _TokenNorm(config.width)

    def features(self, tokens: Tensor, mask: Tensor | None, project: Tensor) -> Tensor:
        """As of `TokenNet`."""
        tokens = tokens @ project.T
        for block in self.blocks:
            tokens = block(tokens, mask)
        return mean_token(self.last(tokens), mask)


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
