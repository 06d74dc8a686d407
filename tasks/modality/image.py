"""Image files decoded to uint8 arrays."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metanas.base.errors import DataError
from tasks.files import table


def decode(name: str, content: bytes, mode: str, size: int | None = None) -> NDArray[np.uint8]:
    """Decode an image file: (channels, H, W). DataError, with `name`, if it is not an image.

    mode: "L" or "RGB". size: pixels per side to resize to (bilinear); None for the image's own size.
    """
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
    """File contents, RGB pixels (3, H, W) and labels of the rows of Hugging Face Parquet files.

    image, label: the names of the two columns.
    """
    raw, pixels, labels = [], [], []
    for file in files:
        for number, (picture, class_number) in enumerate(table(file, (image, label)), 1):
            raw.append(picture["bytes"])
            pixels.append(decode(f"{file}: row {number}", picture["bytes"], "RGB"))
            labels.append(int(class_number))
    return raw, pixels, labels
