"""Raw input to a first feature map or token sequence, for the fixed networks.

Comes before the first layer of conv4, resnet12, gru and transformer. Images and spectrograms pass as
they are; text is embedded. Padding is zeroed and told by a mask, None where nothing is padded.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metanas.episode import TaskSpec
from metanas.stem import Words
from metanas.supernet.ops import Mask


class Entry(nn.Module):
    """x (B, *input_shape) to a map (B, C, H, W), H = 1 for text, and its mask (B, 1, H, W)."""

    def __init__(self, spec: TaskSpec, width: int) -> None:
        super().__init__()
        self.modality = spec.modality
        self.channels = {"image": spec.input_shape[0], "text": width, "speech": 1}[spec.modality]
        shape = {"image": spec.input_shape[1:], "text": (1, *spec.input_shape), "speech": spec.input_shape}
        self.height, self.width = shape[spec.modality]
        if spec.modality == "text":
            self.words = Words(spec, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Mask]:
        if self.modality == "text":
            h = self.words.embed(x).transpose(1, 2)[:, :, None, :]
            mask = (x != 0).to(h.dtype)[:, None, None, :]
            return h * mask, mask
        if self.modality == "speech":  # padded frames are NaN
            there = ~torch.isnan(x[:, None, :, :])
            return torch.nan_to_num(x)[:, None], there.to(x.dtype)
        return x, None


class Patches(nn.Module):
    """x (B, *input_shape) to tokens (B, S, F) and their mask (B, S).

    A token is a text token, a frame (all bands of `patch` frames) or a patch x patch square of an image;
    `patch` = 0 makes every row of an image one token, as a recurrent network reads it.
    """

    def __init__(self, spec: TaskSpec, width: int, patch: int) -> None:
        super().__init__()
        self.entry, self.patch = Entry(spec, width), patch
        channels, height, columns = self.entry.channels, self.entry.height, self.entry.width
        self.features = {
            "text": width,
            "speech": height * max(patch, 1),
            "image": channels * (patch * patch or columns),
        }[spec.modality]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        h, mask = self.entry(x)
        if self.entry.modality == "text":
            return h.squeeze(2).transpose(1, 2), None if mask is None else mask[:, 0, 0]
        step = max(self.patch, 1)
        if self.entry.modality == "speech":
            h = F.pad(h, (0, -h.shape[-1] % step))
            there = None if mask is None else F.pad(mask[:, 0, 0], (0, -mask.shape[-1] % step))
            frames = h.squeeze(1).unflatten(2, (-1, step)).permute(0, 2, 1, 3).flatten(2)
            return frames, None if there is None else there.unflatten(1, (-1, step)).amax(-1)
        if self.patch == 0:
            return h.transpose(1, 2).flatten(2), None
        h = F.pad(h, (0, -h.shape[-1] % step, 0, -h.shape[-2] % step))
        squares = h.unflatten(3, (-1, step)).unflatten(2, (-1, step))  # (B, C, H', p, W', p)
        return squares.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2), None


def mean_token(tokens: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over the tokens that are there: (B, S, F) to (B, F)."""
    if mask is None:
        return tokens.mean(1)
    return (tokens * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp_min(1)
