"""Images in files to uint8 arrays (n, channels, H, W)."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metanas.store import DataError
from tasks.files import table


def decode(name: str, content: bytes, mode: str, size: int | None = None) -> NDArray[np.uint8]:
    """One image file to (channels, H, W); mode "L" or "RGB"; size: pixels a side it is brought to."""
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(io.BytesIO(content)).convert(mode)
    except (UnidentifiedImageError, OSError) as error:
        raise DataError(f"{name}: not a readable image: {error}") from error
    if size is not None and image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    pixels = np.asarray(image, np.uint8)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def labelled(
    files: Sequence[Path], image: str, label: str
) -> tuple[list[bytes], list[NDArray[np.uint8]], list[int]]:
    """Image bytes, RGB pixels and class numbers of Parquet files in the form of Hugging Face `datasets`."""
    raw, pixels, labels = [], [], []
    for file in files:
        for number, (picture, of_class) in enumerate(table(file, (image, label)), 1):
            raw.append(picture["bytes"])
            pixels.append(decode(f"{file}: row {number}", picture["bytes"], "RGB"))
            labels.append(int(of_class))
    return raw, pixels, labels
