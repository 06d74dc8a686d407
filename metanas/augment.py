"""SpecAugment on log-mel spectrograms, an option of meta-training (Park et al., 2019; no time warping).

The masks are a pure function of (key, episode, example), like the episodes themselves, so a resumed run
sees the same ones. A masked band or frame becomes 0, the mean of the normalised spectrograms.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metanas import counter
from metanas.episode import Ints

Bits = NDArray[np.uint32]
BANDS, FRAMES = 8, 16  # the widest mask; at most a fifth of 40 bands and a quarter of 64 frames
MASKS = 2  # of each kind


def spec_augment(x: Tensor, key: int, episodes: Ints) -> Tensor:
    """x (T, B, bands, frames), normalised, NaN where padded, to the same with masks.

    Widths are uniform in 0..BANDS and 0..FRAMES, places uniform where the mask fits.
    """
    tasks, examples, bands, frames = x.shape
    rows = (episodes[:, None] * examples + np.arange(examples)).ravel()
    bits = counter.words(key, rows, 4 * MASKS).reshape(-1, MASKS, 4)
    hidden = torch.zeros(tasks * examples, bands, frames, dtype=torch.bool)
    for mask in range(MASKS):
        draw = bits[:, mask]
        hidden |= _stripe(bands, BANDS, draw[:, 0], draw[:, 1])[:, :, None]
        hidden |= _stripe(frames, FRAMES, draw[:, 2], draw[:, 3])[:, None, :]
    hidden = hidden.reshape(x.shape) & ~torch.isnan(x)
    return torch.where(hidden, 0.0, x)


def _stripe(size: int, widest: int, width_bits: Bits, place_bits: Bits) -> Tensor:
    """(n, size) booleans, true in one random run of each row."""
    width = counter.below(min(widest, size) + 1, width_bits)
    start = counter.below(size - width + 1, place_bits)
    at = np.arange(size)
    return torch.from_numpy((at >= start[:, None]) & (at < (start + width)[:, None]))
