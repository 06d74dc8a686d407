"""Augmentation in meta-training: SpecAugment and other voices, other letters, torchvision's image transforms.

SpecAugment and the transforms are options of a domain, for every method (`domain.py`); voices and letters
are settings of some methods (`metanas/meta/augmented.py`). What is done to an example is a pure function of
(key, episode, example), like the episodes themselves, so a resumed run does the same. SpecAugment is that of
Park et al. (2019) without time warping; a masked band or frame becomes 0, the mean of the normalised
spectrograms. Images need torchvision (the extra `data`), whose random numbers are the same on one version of
it and of torch.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
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
    rows = _rows(episodes, examples)
    bits = philox.words(key, rows, 4 * MASKS).reshape(-1, MASKS, 4)
    masked = torch.zeros(tasks * examples, bands, frames, dtype=torch.bool)
    for mask in range(MASKS):
        draw = bits[:, mask]
        masked |= _stripe(bands, BANDS, draw[:, 0], draw[:, 1])[:, :, None]
        masked |= _stripe(frames, FRAMES, draw[:, 2], draw[:, 3])[:, None, :]
    masked = masked.to(x.device).reshape(x.shape) & ~torch.isnan(x)
    return torch.where(masked, 0.0, x)


def new_voices(x: Tensor, key: int, episodes: Ints, bands_by: float, tempo_by: float) -> Tensor:
    """Stretch bands and frames of x (T, B, bands, frames), normalised, NaN where padded; same shape.

    episodes: (T,) numbers of the tasks. Each example gets a vocal tract of another length, by a factor from
    1 - bands_by to 1 + bands_by on its mel bands from the lowest on (Jaitly and Hinton, 2013), and another
    tempo, by 1 - tempo_by to 1 + tempo_by (Ko et al., 2015). Bands beyond the highest repeat it; frames
    beyond the last are padding, and what does not fit is cut off. Values between bands and frames are
    interpolated.
    """
    tasks, examples, bands, frames = x.shape
    rows = _rows(episodes, examples)
    factors = 1 + (2 * philox.uniform(philox.words(key, rows, 2)) - 1) * np.array([bands_by, tempo_by])
    # pixel i of n has its centre at 2 (i + 1/2) / n - 1
    at = [
        torch.from_numpy(factor[:, None] * 2 * (np.arange(size) + 0.5) / size - 1).to(x)
        for factor, size in zip(factors.T, (bands, frames), strict=True)
    ]
    shape = (tasks * examples, bands, frames)
    grid = torch.stack([at[1][:, None, :].expand(shape), at[0][:, :, None].expand(shape)], -1)
    flat = x.flatten(0, 1)[:, None]
    read = partial(F.grid_sample, grid=grid, align_corners=False)
    stretched = read(torch.nan_to_num(flat), padding_mode="border")
    present = read((~torch.isnan(flat)).to(x.dtype), mode="nearest").amax(2, keepdim=True) > 0
    return torch.where(present, stretched, torch.nan)[:, 0].view_as(x)


def new_letters(x: Tensor, vocabulary: int, key: int, episodes: Ints) -> Tensor:
    """Exchange token ids of x (T, B, W), the same way in all examples of a task; 0 is padding and stays.

    episodes: (T,) numbers of the tasks. What a letter is cannot be learned by heart then, as with new classes
    that are made from old ones (Rajendran et al., Meta-learning requires meta-augmentation, NeurIPS 2020).
    """
    orders = philox.words(key, episodes, vocabulary - 1).argsort(1, kind="stable") + 1
    tables = np.concatenate([np.zeros((len(episodes), 1), np.int64), orders], 1)
    return torch.from_numpy(tables).to(x.device).gather(1, x.flatten(1)).view_as(x)


def drawn(key: int, episodes: Ints, share: float) -> NDArray[np.bool_]:
    """Which of the tasks numbered `episodes` (T,) are among a share of all: (T,) booleans."""
    return philox.uniform(philox.words(key, episodes, 1)[:, 0]) < share


def _rows(episodes: Ints, examples: int) -> Ints:
    """The number (T * examples,) of each example of the tasks numbered `episodes`."""
    return (episodes[:, None] * examples + np.arange(examples)).ravel()


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
    rows = _rows(episodes, examples)
    seeds = philox.words(key, rows, 1)[:, 0].tolist()
    changed = torch.empty_like(x).flatten(0, 1)
    with torch.random.fork_rng(devices=[]):  # the transforms draw from torch's own stream
        for place, (image, seed) in enumerate(zip(x.flatten(0, 1), seeds, strict=True)):
            torch.manual_seed(seed)
            changed[place] = transform(image)
    return changed.view_as(x)
