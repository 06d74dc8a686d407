"""SpecAugment on log-mel spectrograms, an option of meta-training (Park et al., 2019; no time warping).

The masks are a pure function of (key, episode, example), like the episodes themselves, so a resumed run
applies the same ones. A masked band or frame becomes 0, the mean of the normalised spectrograms.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metanas.base import philox
from metanas.data.episode import Ints

Bits = NDArray[np.uint32]
BANDS, FRAMES = 8, 16  # the widest mask: a fifth of 40 bands, a quarter of 64 frames
MASKS = 2  # of each kind


def spec_augment(x: Tensor, key: int, episodes: Ints) -> Tensor:
    """Mask bands and frames of x (T, B, bands, frames), normalised, NaN where padded; same shape.

    episodes: (T,) numbers of the tasks. Widths are uniform in 0..BANDS and 0..FRAMES, and a mask starts
    uniformly at any place where it fits. Padding stays NaN.
    """
    tasks, examples, bands, frames = x.shape
    rows = (episodes[:, None] * examples + np.arange(examples)).ravel()
    bits = philox.words(key, rows, 4 * MASKS).reshape(-1, MASKS, 4)
    masked = torch.zeros(tasks * examples, bands, frames, dtype=torch.bool)
    for mask in range(MASKS):
        draw = bits[:, mask]
        masked |= _stripe(bands, BANDS, draw[:, 0], draw[:, 1])[:, :, None]
        masked |= _stripe(frames, FRAMES, draw[:, 2], draw[:, 3])[:, None, :]
    masked = masked.reshape(x.shape) & ~torch.isnan(x)
    return torch.where(masked, 0.0, x)


def _stripe(size: int, widest: int, width_bits: Bits, place_bits: Bits) -> Tensor:
    """(n, size) booleans: in each row one run of positions most `widest` is true."""
    width = philox.below(min(widest, size) + 1, width_bits)
    start = philox.below(size - width + 1, place_bits)
    positions = np.arange(size)
    return torch.from_numpy((positions >= start[:, None]) & (positions < (start + width)[:, None]))
