"""Input layers of the fixed networks: raw input to a feature map (`Entry`) or to tokens (`Patches`).

conv4, resnet12, tc-resnet8 and cnn-trad-fpool3 read a map; gru, transformer and average read tokens, as
`TokenNet`s. Images and spectrograms are passed on unchanged; text is embedded. Padding is set to 0 and marked
with 0 in a mask; None without padding.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metanas.base.errors import InvalidValue
from metanas.data.episode import TaskSpec
from metanas.models.network import Head, Network, stem_name
from metanas.models.ops import Mask
from metanas.models.stem import Words
from metanas.space.network_config import NetworkConfig
from metanas.space.sizes import input_channels

PATCH = 4  # side of an image patch in pixels, frames or steps per token


class Entry(nn.Module):
    """The feature map of the raw input: `channels`, `height` and `width` are its C, H and W."""

    def __init__(self, spec: TaskSpec, width: int) -> None:
        super().__init__()
        self.modality = spec.modality
        self.channels = input_channels(spec, width)
        one_row = spec.modality in ("text", "series")
        self.height, self.width = (1, spec.input_shape[-1]) if one_row else spec.input_shape[-2:]
        if spec.modality == "text":
            self.words = Words(spec, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Mask]:
        """x (B, *input_shape) to a map (B, C, H, W) and its mask (B, 1, H, W) or None.

        H is 1 for text and series.
        """
        if self.modality == "text":
            h = self.words.embed(x).transpose(1, 2)[:, :, None, :]
            mask = (x != 0).to(h.dtype)[:, None, None, :]
            return h * mask, mask
        if self.modality == "speech":  # padded frames are NaN
            present = ~torch.isnan(x[:, None, :, :])
            return torch.nan_to_num(x)[:, None], present.to(x.dtype)
        if self.modality == "series":  # so are padded steps
            present = ~torch.isnan(x[:, :1, None])
            return torch.nan_to_num(x)[:, :, None], present.to(x.dtype)
        return x, None


class Patches(nn.Module):
    """Tokens of the raw input, `features` (F) values each.

    A token is a text token, all bands or channels of `patch` frames or steps, or a patch x patch square of an
    image. With `patch` = 0, as in recurrent networks, it is one frame or step, or one row of an image.
    """

    def __init__(self, spec: TaskSpec, width: int, patch: int) -> None:
        super().__init__()
        self.entry, self.patch = Entry(spec, width), patch
        channels, height, columns = self.entry.channels, self.entry.height, self.entry.width
        self.features = {
            "text": width,
            "speech": height * max(patch, 1),
            "series": channels * max(patch, 1),
            "image": channels * (patch * patch or columns),
        }[spec.modality]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """x (B, *input_shape) to tokens (B, S, F) and their mask (B, S) or None."""
        h, mask = self.entry(x)
        if self.entry.modality == "text":
            return h.squeeze(2).transpose(1, 2), None if mask is None else mask[:, 0, 0]
        step = max(self.patch, 1)
        if self.entry.modality in ("speech", "series"):
            h = h.flatten(1, 2)  # (B, bands or channels, W)
            h = F.pad(h, (0, -h.shape[-1] % step))
            frame_mask = None if mask is None else F.pad(mask[:, 0, 0], (0, -mask.shape[-1] % step))
            frames = h.unflatten(2, (-1, step)).permute(0, 2, 1, 3).flatten(2)
            return frames, None if frame_mask is None else frame_mask.unflatten(1, (-1, step)).amax(-1)
        if self.patch == 0:
            return h.transpose(1, 2).flatten(2), None
        h = F.pad(h, (0, -h.shape[-1] % step, 0, -h.shape[-2] % step))
        squares = h.unflatten(3, (-1, step)).unflatten(2, (-1, step))  # (B, C, H', p, W', p)
        return squares.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2), None


class TokenNet(Network):
    """A network that reads tokens, with a projection for each kind of input and a head for each of the ways.

    What lies between them, subclasses say. InvalidValue for inputs of one kind with tokens of two sizes.
    """

    patch: ClassVar[int] = PATCH  # of `Patches`

    def __init__(self, specs: Sequence[TaskSpec], config: NetworkConfig) -> None:
        super().__init__()
        entries: dict[str, Patches] = {}
        for spec in specs:
            _add(entries, spec, Patches(spec, config.width, self.patch), config.kind)
        self.entries = nn.ModuleDict(entries)
        self.project = nn.ParameterDict(
            {name: torch.empty(config.width, entry.features) for name, entry in entries.items()}
        )
        self.add_layers(config)  # before the heads: initial weights are drawn in the order of parameters
        self.heads = nn.ModuleDict({f"ways{n}": Head(config.width, n) for n in {s.ways for s in specs}})

    def add_layers(self, config: NetworkConfig) -> None:
        """Add the layers between tokens and head as submodules; here none."""

    def features(self, tokens: Tensor, mask: Tensor | None, project: Tensor) -> Tensor:
        """Tokens (B, S, F), mask (B, S) or None, projection (width, F), to features (B, width)."""
        raise NotImplementedError

    def forward(self, x: Tensor, arch: Mapping[str, Tensor], spec: TaskSpec, *, head: bool = True) -> Tensor:
        """x (B, *input_shape) to logits (B, ways), or without the head to features (B, width).

        `arch` is not used.
        """
        name = stem_name(spec)
        tokens, mask = self.entries[name](x)
        features = self.features(tokens, mask, self.project[name])
        return self.heads[f"ways{spec.ways}"](features) if head else features


def _add(entries: dict[str, Patches], spec: TaskSpec, patches: Patches, kind: str) -> None:
    """Add the input layer of a spec under the name of its stem, whose tokens have one size."""
    known = entries.setdefault(stem_name(spec), patches)
    if known.features != patches.features:
        raise InvalidValue(
            f"network.kind={kind} needs inputs of {stem_name(spec)} with tokens of one size; those of "
            f"{spec.name}, {list(spec.input_shape)}, have {patches.features} values, others "
            f"{known.features}; take conv4 or supernet"
        )


def mean_token(tokens: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over the unpadded tokens: tokens (B, S, F), mask (B, S) or None, to (B, F)."""
    if mask is None:
        return tokens.mean(1)
    return (tokens * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp_min(1)
