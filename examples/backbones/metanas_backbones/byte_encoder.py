"""A small transformer encoder over the bytes of a text, as a backbone.

`network.width` and `network.depth` must be those of its file. An encoder of `transformers` is used the same
way if it reads bytes: ByT5's takes `x + 2` (its bytes begin at 3, ours at 1) and the mask `x != 0`, and
`T5EncoderModel.from_pretrained(config.weights)` is the encoder; the mean of its last states are features.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metanas import NETWORKS, NetworkConfig
from metanas.models.pretrained import Pretrained, fill

LONGEST, HEADS = 1024, 4


class Encoder(nn.Module):
    """Byte ids (B, S), 0 for padding, to the mean of the last layer's tokens (B, width)."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.bytes = nn.Embedding(257, width)
        self.places = nn.Parameter(0.02 * torch.randn(LONGEST, width))
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.last = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        there = (x != 0)[:, None, None, :]  # (B, 1, 1, S)
        h = self.bytes(x) + self.places[: x.shape[1]]
        for block in self.blocks:
            h = block(h, there)
        weights = there[:, 0, 0, :, None].to(h.dtype)
        return (self.last(h) * weights).sum(1) / weights.sum(1).clamp_min(1)


class Block(nn.Module):
    """Attention and a perceptron, each after a norm and with a residual connection."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.inputs, self.outputs = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, h: Tensor, there: Tensor) -> Tensor:
        q, k, v = self.inputs(self.before(h)).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        scores = q @ k.mT / q.shape[-1] ** 0.5
        attended = scores.masked_fill(~there, -1e4).softmax(-1) @ v
        h = h + self.outputs(attended.transpose(1, 2).flatten(2))
        return h + self.down(F.gelu(self.up(self.between(h))))


@NETWORKS.register("byte-encoder")
class ByteEncoder(Pretrained):
    """A transformer encoder over bytes with weights from a file."""

    modality = "text"

    @classmethod
    def encoder(cls, config: NetworkConfig) -> nn.Module:
        """Byte ids (B, S) to features (B, width)."""
        return fill(Encoder(config.width, config.depth), config)
