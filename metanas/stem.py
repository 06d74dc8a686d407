"""From raw input to features: one stem per kind of input, everything after it is shared.

Feature maps are (B, C, H, W) for every modality: images H x W; text H = 1, W = tokens; speech
H = mel bands, W = frames. With them goes a mask (B, 1, H, W), None where nothing is padded.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metanas.episode import TaskSpec
from metanas.supernet.ops import Mask, conv

HALVINGS = {"image": 2, "text": 1, "speech": 3}  # how often a stem halves both sides


class Words(nn.Module):
    """An embedding of tokens: learned, or a learned projection of the spec's frozen word vectors.

    Empty where the input is no text.
    """

    def __init__(self, spec: TaskSpec, channels: int) -> None:
        super().__init__()
        if spec.vectors:
            vectors = torch.from_numpy(np.load(spec.vectors))
            self.register_buffer("vectors", vectors, persistent=False)
            self.projection = nn.Parameter(torch.empty(channels, vectors.shape[1]))
        elif spec.modality == "text":
            self.embedding = nn.Parameter(torch.empty(spec.vocabulary, channels))

    def embed(self, x: Tensor) -> Tensor:
        """Tokens (B, W) to (B, W, C)."""
        if (vectors := self._buffers.get("vectors")) is not None:
            return F.linear(F.embedding(x, vectors), self.projection)
        return F.embedding(x, self.embedding)


class Stem(Words):
    """Blocks of 3x3 convolution of stride 2, norm and ReLU, after an embedding of words for text."""

    def __init__(self, spec: TaskSpec, channels: int) -> None:
        super().__init__(spec, channels)
        self.modality = spec.modality
        inputs = {"image": spec.input_shape[0], "text": channels, "speech": 1}[spec.modality]
        sizes = [inputs] + [channels] * HALVINGS[spec.modality]
        self.weights = nn.ParameterList(
            torch.empty(after, before, 3, 3) for before, after in zip(sizes, sizes[1:], strict=False)
        )
        self.norms = nn.ModuleList(Norm(channels) for _ in self.weights)

    def forward(self, x: Tensor) -> tuple[Tensor, Mask]:
        """x (B, *input_shape) to features (B, C, H, W) and mask."""
        mask: Mask = None
        if self.modality == "text":
            there = x != 0
            x = self.embed(x).transpose(1, 2)[:, :, None, :]
            mask = there.to(x.dtype)[:, None, None, :]
            x = x * mask
        elif self.modality == "speech":  # padded frames are NaN, see tasks/modality/speech.py
            there = ~torch.isnan(x[:, None, :1, :])
            x = torch.nan_to_num(x)[:, None]
            mask = there.to(x.dtype).expand_as(x)
        for weight, norm in zip(self.weights, self.norms, strict=True):
            x = conv(x, weight, stride=2)
            mask = None if mask is None else mask[..., ::2, ::2].contiguous()  # many are multiplied by it
            x = norm(x, mask).relu_()
        return x, mask


class Norm(nn.Module):
    """Zero mean and unit variance over one example's features, then a scale and bias per channel.

    Layer normalisation over (C, H, W) (Ba et al., 2016) that leaves padding out. Nothing is shared
    between examples: batch statistics would make a prediction depend on the other queries.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        if mask is None:  # a task's channels are one group, and torch's kernel does the rest in one pass
            tasks = self.scale.numel() // self.scale.shape[-1]
            return F.group_norm(x, tasks, self.scale.flatten(), self.bias.flatten())
        x = x * mask
        count = mask.sum((-3, -2, -1), keepdim=True).clamp_min(1) * x.shape[-3]
        mean = x.sum((-3, -2, -1), keepdim=True) / count
        square = torch.linalg.vector_norm(x, dim=(-3, -2, -1), keepdim=True).square()  # no array of squares
        variance = square / count - mean * mean
        slope = torch.rsqrt(variance.clamp_min(0) + 1e-5) * self.scale[:, None, None]  # (B, C, 1, 1)
        return torch.addcmul(self.bias[:, None, None] - mean * slope, x, slope).mul_(mask)


def halve(x: Tensor, mask: Mask) -> tuple[Tensor, Mask]:
    """2x2 average (1x2 where there is one row) over what is there, both sides rounded up."""
    size = (1 if x.shape[-2] == 1 else 2, 2)
    if mask is None:
        return F.avg_pool2d(x, size, ceil_mode=True), None
    share = F.avg_pool2d(mask, size, ceil_mode=True)
    pooled = F.avg_pool2d(x * mask, size, ceil_mode=True)
    return pooled / share.clamp_min(1 / 8), (share > 0).to(x.dtype)
