"""cifar10: 60,000 photographs of ten classes, 32x32. `cifar10`: 5/5 classes; `cifar10-10`: all, for transfer.

Krizhevsky 2009. Parquet files of Hugging Face `uoft-cs/cifar10` (columns img, label), at a fixed revision.
Ten classes are too few for meta-validation classes.
"""

from pathlib import Path

import numpy as np

from metanas.data.adapter import DOMAINS, Examples, Remote
from metanas.data.files import FromFiles
from tasks import splits
from tasks.files import digest
from tasks.modality.image import labelled

BASE = "https://huggingface.co/datasets/uoft-cs/cifar10/resolve/0b2714987fa478483af9968de7c934580d0bb9a2"


@DOMAINS.register("cifar10")
class Cifar10(FromFiles):
    """60,000 photographs, 32x32 (Krizhevsky, 2009); 5/5 class split."""

    name = "cifar10"
    modality = "image"
    licence = "none stated (research data set)"
    citation = "Krizhevsky 2009"
    packages = ("pillow",)
    recipe = "v1"
    items = 60_000
    remotes = (
        Remote(
            "cifar10/train.parquet",
            f"{BASE}/plain_text/train-00000-of-00001.parquet",
            "sha256:8428b53a88a11ac374111006708df51469e315a22ac6d66470afd9c78d2ae883",
        ),
        Remote(
            "cifar10/test.parquet",
            f"{BASE}/plain_text/test-00000-of-00001.parquet",
            "sha256:841389e6f2d64f28bf17310e430aebac20ec3ba611a3c5e231dc93c645ce84de",
        ),
    )
    split = "cifar10"

    def load(self, root: Path | None) -> Examples:
        raw, pixels, labels = labelled(self.locate(root), "img", "label", classes=10, size=32)
        return Examples(
            x=np.stack(pixels),
            labels=np.array(labels, np.int64),
            classes=splits.read("cifar10_all")["test"],  # in the order of the label numbers
            splits=splits.read(self.split),
            source=digest(raw),
            sample=len(raw) != self.items,
        )


@DOMAINS.register("cifar10-10")
class Cifar10All(Cifar10):
    """All ten classes of cifar10 as test classes: 10-way, for transfer."""

    name = "cifar10-10"
    split = "cifar10_all"
