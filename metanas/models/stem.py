"""Stems: from raw input to feature maps, one stem per kind of input. All later layers are shared.

Feature maps are (B, C, H, W) for every modality: images H x W; text H = 1, W = tokens; speech H = mel bands,
W = frames. Each comes with a mask (B, 1, H, W), 1 at real positions and 0 at padding; None without padding.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metanas.data.episode import TaskSpec
from metanas.models.ops import Mask, conv, lookup

HALVINGS = {"image": 2, "text": 1, "speech": 3}  # how often a stem halves both sides


class Words(nn.Module):
    """Token embeddings: learned, or a learned projection of the spec's frozen word vectors.

    It has no parameters if the input is not text.
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
        """Token ids (B, W) to embeddings (B, W, C)."""
        if (vectors := self._buffers.get("vectors")) is not None:
            return F.linear(F.embedding(x, vectors), self.projection)
        return lookup(x, self.embedding)


class Stem(Words):
    """Blocks of 3x3 convolution with stride 2, norm and ReLU; for text after a token embedding."""

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
        """x (B, *input_shape) to features (B, C, H, W) and their mask."""
        mask: Mask = None
        if self.modality == "text":
            present = x != 0
            x = self.embed(x).transpose(1, 2)[:, :, None, :]
            mask = present.to(x.dtype)[:, None, None, :]
            x = x * mask
        elif self.modality == "speech":  # padded frames are NaN (tasks/modality/speech.py)
            present = ~torch.isnan(x[:, None, :1, :])
            x = torch.nan_to_num(x)[:, None]
            mask = present.to(x.dtype).expand_as(x)
        for weight, norm in zip(self.weights, self.norms, strict=True):
            x = conv(x, weight, stride=2)
            mask = None if mask is None else mask[..., ::2, ::2].contiguous()  # many later products read it
            x = norm(x, mask).relu_()
        return x, mask


class Norm(nn.Module):
    """Layer normalisation over (C, H, W) without padding (Ba et al., 2016), with scale and bias per channel.

    Nothing is shared between examples: batch statistics would make a prediction depend on the other
    queries.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        """x (B, C, H, W), mask (B, 1, H, W) or None, to the shape of x; 0 at padded positions.

        Without a mask also x (B, T C, H, W) with scale and bias (T, C).
        """
        if mask is None:  # one group of channels per task; torch's kernel takes one pass
            tasks = self.scale.numel() // self.scale.shape[-1]
            return F.group_norm(x, tasks, self.scale.flatten(), self.bias.flatten())
        x = x * mask
        count = mask.sum((-3, -2, -1), keepdim=True).clamp_min(1) * x.shape[-3]
        mean = x.sum((-3, -2, -1), keepdim=True) / count
        square = torch.linalg.vector_norm(x, dim=(-3, -2, -1), keepdim=True).square()  # stores no squares
        variance = square / count - mean * mean
        slope = torch.rsqrt(variance.clamp_min(0) + 1e-5) * self.scale[:, None, None]  # (B, C, 1, 1)
        return torch.addcmul(self.bias[:, None, None] - mean * slope, x, slope).mul_(mask)


def halve(x: Tensor, mask: Mask) -> tuple[Tensor, Mask]:
    """2x2 average pooling over unpadded positions (1x2 on a map of one row), sides rounded up.

    x (B, C, H, W), mask (B, 1, H, W) or None, to (B, C, H / 2, W / 2) and its mask.
    """
    size = (1 if x.shape[-2] == 1 else 2, 2)
    if mask is None:
        return F.avg_pool2d(x, size, ceil_mode=True), None
    share = F.avg_pool2d(mask, size, ceil_mode=True)
    pooled = F.avg_pool2d(x * mask, size, ceil_mode=True)
    return pooled / share.clamp_min(1 / 8), (share > 0).to(x.dtype)
