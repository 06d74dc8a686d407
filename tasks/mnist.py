"""mnist: 70,000 handwritten digits, 28x28. `mnist`: 5/5 classes; `mnist-10`: all ten, for transfer.

LeCun, Cortes, Burges: the MNIST database. Read from the four idx files in the layout of torchvision
(MNIST/raw), unpacked or as downloaded. Their SHA-256 are those that TensorFlow Datasets lists. Ten classes
are too few for meta-validation classes.
"""

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metanas.base.errors import DataError
from metanas.data.adapter import DOMAINS, Examples, Remote
from metanas.data.files import FromFiles
from tasks import splits
from tasks.files import digest

FILES = (  # in this order: images, labels, images, labels
    ("train-images-idx3-ubyte", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    ("train-labels-idx1-ubyte", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    ("t10k-images-idx3-ubyte", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    ("t10k-labels-idx1-ubyte", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
)
BASE = "https://ossci-datasets.s3.amazonaws.com/mnist"


@DOMAINS.register("mnist")
class Mnist(FromFiles):
    """70,000 handwritten digits, 28x28 grey (LeCun et al., 1998); 5/5 class split."""

    name = "mnist"
    modality = "image"
    licence = "none stated"
    citation = "LeCun, Bottou, Bengio, Haffner 1998"
    recipe = "v1"
    items = 70_000
    remotes = tuple(
        Remote(f"MNIST/raw/{file}.gz", f"{BASE}/{file}.gz", f"sha256:{sha256}") for file, sha256 in FILES
    )
    layouts = (tuple(f"MNIST/raw/{file}" for file, _ in FILES),)
    split = "digits_half"

    def load(self, root: Path | None) -> Examples:
        files = self.locate(root)
        arrays = [_read_idx(file) for file in files]
        for file, array in zip(files, arrays, strict=True):
            _check(file, array)
        images, labels = np.concatenate(arrays[::2]), np.concatenate(arrays[1::2]).astype(np.int64)
        if len(images) != len(labels):
            raise DataError(f"mnist: {len(images)} images, but {len(labels)} labels")
        class_split = splits.read(self.split)
        return Examples(
            x=images[:, None],
            labels=labels,
            classes=tuple(str(digit) for digit in range(10)),
            splits=class_split,
            source=digest(array.tobytes() for array in arrays),
            sample=len(images) != self.items,
        )


@DOMAINS.register("mnist-10")
class Mnist10(Mnist):
    """All ten classes of mnist as test classes: 10-way, for transfer."""

    name = "mnist-10"
    split = "digits_all"


def _read_idx(file: Path) -> NDArray[np.uint8]:
    """An idx file of bytes, gzipped or not. DataError unless its size is what its header says."""
    try:
        raw = file.read_bytes()
        raw = gzip.decompress(raw) if file.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file}: cannot be read: {error}") from error
    if len(raw) < 8 or raw[:3] != b"\0\0\x08" or len(raw) < 4 + 4 * raw[3]:
        raise DataError(f"{file}: not an idx file of bytes (it begins with {raw[:4].hex()})")
    shape = np.frombuffer(raw, ">i4", raw[3], 4).tolist()
    if len(raw) - 4 - 4 * raw[3] != np.prod(shape):
        raise DataError(f"{file}: {len(raw)} bytes, but its header says {shape}")
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def _check(file: Path, array: NDArray[np.uint8]) -> None:
    """DataError unless it is images (n, 28, 28), or labels (n,) from 0 to 9."""
    if array.ndim != 1 and array.shape[1:] != (28, 28):
        raise DataError(f"{file}: items of {array.shape[1:]} numbers, expected (28, 28)")
    if array.ndim == 1 and len(wrong := np.flatnonzero(array > 9)):
        raise DataError(f"{file}: item {wrong[0] + 1}: label {array[wrong[0]]}, expected 0 to 9")
