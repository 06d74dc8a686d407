"""cifar-fs: CIFAR-100 with the class split of Bertinetto et al. 2019, 64/16/20 classes.

Krizhevsky 2009. Parquet files of Hugging Face `uoft-cs/cifar100` (columns img, fine_label). No SHA-256 of
them could be verified, so the first download is trusted. The training and test images of a class are merged,
600 per class.
"""

from pathlib import Path

import numpy as np

from metanas.data.adapter import DOMAINS, Examples, Remote
from metanas.data.files import FromFiles
from tasks import splits
from tasks.files import digest
from tasks.modality.image import labelled

BASE = "https://huggingface.co/datasets/uoft-cs/cifar100/resolve/main/cifar100"


@DOMAINS.register("cifar-fs")
class CifarFS(FromFiles):
    """CIFAR-100, 32x32, as CIFAR-FS: 64/16/20 classes (Bertinetto et al., 2019)."""

    name = "cifar-fs"
    modality = "image"
    licence = "none stated (research data set)"
    citation = "Krizhevsky 2009; Bertinetto, Henriques, Torr, Vedaldi 2019"
    packages = ("pillow",)
    recipe = "v1"
    items = 60_000
    remotes = tuple(
        Remote(f"cifar100/{part}.parquet", f"{BASE}/{part}-00000-of-00001.parquet")
        for part in ("train", "test")
    )
    split = "cifar_fs"

    def load(self, root: Path | None) -> Examples:
        raw, pixels, labels = labelled(self.locate(root), "img", "fine_label", classes=100, size=32)
        class_split = splits.read(self.split)
        return Examples(
            x=np.stack(pixels),
            labels=np.array(labels, np.int64),
            classes=tuple(sorted(name for names in class_split.values() for name in names)),
            splits=class_split,
            source=digest(raw),
            sample=len(raw) != self.items,
        )
