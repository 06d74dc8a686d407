"""Image files decoded to uint8 arrays."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from metanas.base.errors import DataError
from tasks.columns import image_file, number
from tasks.files import table

if TYPE_CHECKING:
    from PIL import Image

LARGEST = 4096  # pixels a side


def decode(name: str, content: bytes, mode: str, size: int, *, resize: bool = False) -> NDArray[np.uint8]:
    """Decode an image file of 8 bits per channel: (channels, size, size).

    mode: "L" or "RGB". resize: take any size, at most LARGEST a side, and resize it (bilinear). DataError,
    with `name`, if it is not such an image.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our limit is lower
            opened = Image.open(io.BytesIO(content))  # reads the header alone
        return pixels(name, opened, mode, size, resize=resize)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(f"{name}: not a readable image: {error}") from error


def pixels(name: str, opened: "Image.Image", mode: str, size: int, *, resize: bool) -> NDArray[np.uint8]:
    """The same of an image that Pillow has opened. DataError."""
    from PIL import Image

    _check(name, opened, None if resize else size)
    image = opened.convert(mode)
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    array = np.asarray(image, np.uint8)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def _check(name: str, image: "Image.Image", size: int | None) -> None:
    """DataError for another size than `size`, one that would fill the memory, or more than 8 bits a channel.

    Pillow clips 16-bit grey to 255 when it is converted: all white.
    """
    width, height = image.size
    if size is not None and (width, height) != (size, size):
        raise DataError(f"{name}: {width}x{height} pixels, expected {size}x{size}")
    if max(width, height) > LARGEST:
        raise DataError(f"{name}: {width}x{height} pixels, expected at most {LARGEST} a side")
    if image.mode.startswith(("I", "F")):
        raise DataError(f"{name}: more than 8 bits per channel (Pillow's mode {image.mode}), expected 8")


def labelled(
    files: Sequence[Path], image: str, label: str, *, classes: int, size: int
) -> tuple[list[bytes], list[NDArray[np.uint8]], list[int]]:
    """File contents, RGB pixels (3, size, size) and labels of the rows of Hugging Face Parquet files.

    image, label: the names of the two columns; labels are 0..classes-1. DataError names a row that differs.
    """
    columns = {image: image_file, label: number(0, classes - 1)}
    raw, pixels, labels = [], [], []
    for file in files:
        for row, (picture, class_number) in enumerate(table(file, columns), 1):
            raw.append(picture)
            pixels.append(decode(f"{file}: row {row}", picture, "RGB", size))
            labels.append(class_number)
    return raw, pixels, labels
