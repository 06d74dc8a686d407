"""Stems: from raw input to feature maps, one stem per kind of input. All later layers are shared.

`Stem` has convolutions with strides; `LeanStem` embeds patches and tokens and leaves all else to the layers.

Feature maps are (B, C, H, W) for every modality: images H x W; text H = 1, W = tokens; speech H = mel bands
(1 with `stem=frames`), W = frames; series H = 1, W = steps. Each comes with a mask (B, 1, H, W), 1 at real
positions and 0 at padding; None without padding.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metanas.base.errors import InvalidValue
from metanas.data.episode import TaskSpec
from metanas.models.length import length
from metanas.models.network import stem_name
from metanas.models.ops import Mask, conv, lookup
from metanas.space.architecture import Architecture
from metanas.space.sizes import HALVINGS, input_channels, patch_of, read_map, reads_frames
from metanas.space.space import SearchSpace


class Words(nn.Module):
    """Raw input as maps; tokens by embeddings: learned, or a learned projection of frozen word vectors.

    It has no parameters if the input is not text.
    """

    def __init__(self, spec: TaskSpec, channels: int) -> None:
        super().__init__()
        self.modality = spec.modality
        if spec.vectors:
            vectors = torch.from_numpy(np.load(spec.vectors))
            self.register_buffer("vectors", vectors, persistent=False)
            self.projection = nn.Parameter(torch.empty(channels, vectors.shape[1]))
        elif spec.modality == "text":
            self.embedding = nn.Parameter(torch.empty(spec.vocabulary, channels))

    def read(self, x: Tensor) -> tuple[Tensor, Mask]:
        """Raw input x (B, *input_shape) to (B, I, H, W), 0 at padding, and its mask."""
        if self.modality == "text":
            mask = (x != 0)[:, None, None, :]
            x = self.embed(x).transpose(1, 2)[:, :, None, :]
            mask = mask.to(x.dtype)
            return x * mask, mask
        if self.modality == "speech":  # padded frames are NaN (tasks/modality/speech.py)
            present = ~torch.isnan(x[:, None, :1, :])
            x = torch.nan_to_num(x)[:, None]
            return x, present.to(x.dtype).expand_as(x)
        if self.modality == "series":  # so are padded steps
            present = ~torch.isnan(x[:, :1, None])
            return torch.nan_to_num(x)[:, :, None], present.to(x.dtype)
        return x, None

    def embed(self, x: Tensor) -> Tensor:
        """Token ids (B, W) to embeddings (B, W, C)."""
        if (vectors := self._buffers.get("vectors")) is not None:
            return F.linear(F.embedding(x, vectors), self.projection)
        return lookup(x, self.embedding)


def make_stems(specs: Sequence[TaskSpec], frame: SearchSpace | Architecture) -> nn.ModuleDict:
    """The stems for these tasks by name. InvalidValue if one would need two numbers of bands."""
    bands = {spec.input_shape[0]: spec.name for spec in specs if reads_frames(spec, frame)}
    if len(bands) > 1:
        found = ", ".join(f"{number} of {name}" for number, name in bands.items())
        raise InvalidValue(
            f"space.stem=frames needs speech of one number of bands, there are {found}; take stem=conv"
        )
    return nn.ModuleDict({stem_name(spec): make_stem(spec, frame) for spec in specs})


def make_stem(spec: TaskSpec, frame: SearchSpace | Architecture) -> "Stem | LeanStem":
    """The stem for tasks of `spec` that a space or an architecture asks for."""
    if frame.stem == "lean":
        return LeanStem(spec, frame.channels, patch_of(spec.modality, frame.patch))
    return Stem(spec, frame.channels, frames=reads_frames(spec, frame))


class Stem(Words):
    """Blocks of 3x3 convolution with stride 2, norm and ReLU; for text after a token embedding.

    frames: of speech, all bands of a frame are channels, so that the map has one row (TC-ResNet, Choi et al.,
    2019).
    """

    def __init__(self, spec: TaskSpec, channels: int, *, frames: bool = False) -> None:
        super().__init__(spec, channels)
        self.frames = frames
        inputs, _ = read_map(spec, channels, frames=frames)
        sizes = [inputs] + [channels] * HALVINGS[spec.modality]
        self.weights = nn.ParameterList(
            torch.empty(after, before, 3, 3) for before, after in zip(sizes, sizes[1:], strict=False)
        )
        self.norms = nn.ModuleList(Norm(channels) for _ in self.weights)

    def forward(self, x: Tensor) -> tuple[Tensor, Mask]:
        """x (B, *input_shape) to features (B, C, H, W) and their mask."""
        x, mask = self.read(x)
        if self.frames:
            x, mask = x.transpose(1, 2), None if mask is None else mask[:, :, :1]
        for weight, norm in zip(self.weights, self.norms, strict=True):
            x = conv(x, weight, stride=2)
            mask = None if mask is None else mask[..., ::2, ::2].contiguous()  # many later products read it
            x = norm(x, mask).relu_()
        return x, mask


class LeanStem(Words):
    """A linear embedding of each patch or token by itself, and a norm; so all mixing is left to the layers.

    patch: side of the square patches, or length of those of a series; what is left at the right and below a
    multiple of it is padded with 0.
    """

    def __init__(self, spec: TaskSpec, channels: int, patch: int) -> None:
        super().__init__(spec, channels)
        self.patch = (1 if spec.modality == "series" else patch, patch)
        if spec.modality != "text":
            self.weight = nn.Parameter(torch.empty(channels, input_channels(spec, channels), *self.patch))
        self.norm = Norm(channels)

    def forward(self, x: Tensor) -> tuple[Tensor, Mask]:
        """x (B, *input_shape) to features (B, C, H, W) and their mask."""
        x, mask = self.read(x)
        if self.modality != "text":
            missing = [-side % step for side, step in zip(x.shape[-2:], self.patch, strict=True)]
            x = F.pad(x, (0, missing[1], 0, missing[0]))
            x = F.conv2d(x, self.weight, stride=self.patch)
            mask = None if mask is None else F.max_pool2d(mask, self.patch, ceil_mode=True)
        return self.norm(x, mask), mask


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
            scale, bias = self.scale.flatten(), self.bias.flatten()
            try:
                return F.group_norm(x, tasks, scale, bias)
            except RuntimeError as error:  # older torch (2.11) asks vmap for an order in memory that it lacks
                if "is_contiguous inside of vmap" not in str(error):
                    raise
                return F.group_norm(x.contiguous(), tasks, scale, bias)
        x = x * mask
        mean, inverse = _moments(x, mask)
        slope = inverse * self.scale[:, None, None]  # (B, C, 1, 1)
        return torch.addcmul(self.bias[:, None, None] - mean * slope, x, slope).mul_(mask)


def standardised(x: Tensor, mask: Mask) -> Tensor:
    """x (B, C, H, W) with mean 0 and variance 1 per example over unpadded positions: a norm without scale."""
    if mask is None:
        return F.group_norm(x, 1)
    mean, inverse = _moments(x * mask, mask)
    return (x - mean) * inverse * mask


def _moments(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and 1 / standard deviation (B, 1, 1, 1) of x (B, C, H, W), which is 0 where the mask is."""
    count = mask.sum((-3, -2, -1), keepdim=True).clamp_min(1) * x.shape[-3]
    mean = x.sum((-3, -2, -1), keepdim=True) / count
    square = length(x, (-3, -2, -1)).square()  # stores no squares
    variance = square / count - mean * mean
    return mean, torch.rsqrt(variance.clamp_min(0) + 1e-5)


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
