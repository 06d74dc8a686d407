"""omniglot: 1,623 handwritten characters, 20 drawers each; rotations make four classes of each.

Lake, Salakhutdinov, Tenenbaum 2015. Class split of Vinyals et al. 2016 as published with Prototypical
Networks (`splits/omniglot_vinyals_*.txt`); rotations by 0, 90, 180, 270 degrees as classes (Santoro et
al. 2016). 28x28, ink is high. Read from `<root>/omniglot/images_{background,evaluation}.parquet`, columns
image, alphabet, character, drawer.
"""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanas.episode import SPLITS, Split
from metanas.kinds import DOMAINS
from metanas.store import Adapter, DataError, Examples

FILES = ("images_background.parquet", "images_evaluation.parquet")
FULL = 32_460  # images in the complete data set
TURNS = (0, 90, 180, 270)


@DOMAINS.register("omniglot")
class Omniglot(Adapter):
    """1,623 handwritten characters x 4 rotations, 28x28 (Lake et al., 2015); Vinyals split."""

    modality = "image"
    licence = "MIT (brendenlake/omniglot)"
    citation = "Lake, Salakhutdinov, Tenenbaum 2015"
    synthetic = False
    packages = ("pillow",)
    recipe = "v1"

    def locate(self, root: Path | None) -> Sequence[Path]:
        if root is None:
            raise DataError("omniglot needs a data folder: --data-root DIR or METANAS_DATA=DIR")
        files = [root / "omniglot" / name for name in FILES]
        if missing := [file for file in files if not file.is_file()]:
            raise DataError(f"omniglot: {missing[0]} is missing; --data-root must hold omniglot/{FILES[0]}")
        return files

    def load(self, root: Path | None) -> Examples:
        sha, images, characters, drawers = hashlib.sha256(), [], [], []
        for file in self.locate(root):
            for row in rows(file):
                sha.update(row["image"]["bytes"])
                images.append(shrunk(row["image"]["bytes"]))
                characters.append(f"{row['alphabet']}/{row['character']}")
                drawers.append(row["drawer"])
        splits = {split: class_names(split) for split in SPLITS}
        classes = [name for names in splits.values() for name in names]
        number = {name: i for i, name in enumerate(classes)}
        x = np.concatenate([np.rot90(np.stack(images), k, axes=(2, 3)) for k in range(4)])
        names = [f"{character}@{turn}" for turn in TURNS for character in characters]
        return Examples(
            x=x,
            labels=np.array([number[name] for name in names], np.int64),
            classes=tuple(classes),
            splits=splits,
            source=sha.hexdigest(),
            groups=np.tile(np.array(drawers, np.int64), 4),
            sample=len(images) != FULL,
        )


def rows(file: Path) -> list[dict[str, Any]]:
    """DataError names the file and what is wrong with it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file, columns=["image", "alphabet", "character", "drawer"])
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file}: not the expected Parquet file: {error}") from error
    found: list[dict[str, Any]] = table.to_pylist()
    return found


def shrunk(png: bytes) -> NDArray[np.uint8]:
    """A 105x105 image, black on white, to (1, 28, 28) with ink high."""
    from PIL import Image

    small = Image.open(io.BytesIO(png)).convert("L").resize((28, 28), Image.Resampling.BILINEAR)
    return np.uint8(255) - np.asarray(small, np.uint8)[None]


def class_names(split: Split) -> tuple[str, ...]:
    """Characters of a split, each in four rotations: "Greek/character01@90"."""
    text = (Path(__file__).parent / "splits" / f"omniglot_vinyals_{split}.txt").read_text()
    return tuple(f"{character}@{turn}" for character in text.split() for turn in TURNS)
