"""Augmentation, an option of meta-training: SpecAugment of spectrograms, torchvision's transforms of images.

What is done to an example is a pure function of (key, episode, example), like the episodes themselves, so a
resumed run does the same. SpecAugment is that of Park et al. (2019) without time warping; a masked band or
frame becomes 0, the mean of the normalised spectrograms. Images need torchvision (the extra `data`), whose
random numbers are the same on one version of it and of torch.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

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


IMAGE_CHANGES = ("crop", "flip", "rotate", "colour", "erase")
USUAL = ("crop", "flip", "colour")  # of photographs (Chen et al., 2019); a mirrored character is another one


def augment_images(x: Tensor, changes: Sequence[str], key: int, episodes: Ints) -> Tensor:
    """Change each image of x (T, B, channels, height, width), uint8, by itself; same shape and type.

    episodes: (T,) numbers of the tasks. changes, of IMAGE_CHANGES, in this order: crop, a shift by up to an
    eighth of each side, edges repeated; flip, left to right, every second time; rotate, by up to 10 degrees;
    colour, brightness, contrast, saturation by 40 % and hue by 5 %; erase, a rectangle of up to a fifth of
    the image to black, every second time. ModuleNotFoundError without torchvision.
    """
    from torchvision.transforms import v2

    height, width = x.shape[-2:]
    shift = [-(-width // 8), -(-height // 8)]  # left and right, above and below
    made: Mapping[str, Callable[[], Any]] = {
        "crop": lambda: v2.RandomCrop((height, width), padding=shift, padding_mode="edge"),
        "flip": lambda: v2.RandomHorizontalFlip(),
        "rotate": lambda: v2.RandomRotation(10, interpolation=v2.InterpolationMode.BILINEAR),
        "colour": lambda: v2.ColorJitter(0.4, 0.4, 0.4, 0.05),
        "erase": lambda: v2.RandomErasing(scale=(0.02, 0.2)),
    }
    transform = v2.Compose([made[name]() for name in IMAGE_CHANGES if name in changes])
    examples = x.shape[1]
    rows = (episodes[:, None] * examples + np.arange(examples)).ravel()
    seeds = philox.words(key, rows, 1)[:, 0].tolist()
    changed = torch.empty_like(x).flatten(0, 1)
    with torch.random.fork_rng(devices=[]):  # the transforms draw from torch's own stream
        for place, (image, seed) in enumerate(zip(x.flatten(0, 1), seeds, strict=True)):
            torch.manual_seed(seed)
            changed[place] = transform(image)
    return changed.view_as(x)
