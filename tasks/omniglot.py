"""omniglot: 1,623 handwritten characters by 20 drawers each; each character is four classes, by rotation.

Lake, Salakhutdinov, Tenenbaum 2015. Class split of Vinyals et al. 2016 as published with Prototypical
Networks (`splits/omniglot_vinyals_*.txt`); rotations by 0, 90, 180, 270 degrees are classes (Santoro et al.
2016). Images are 28x28, ink is high. Read from the two archives of its authors, or from Parquet files with
the same images (columns image, alphabet, character, drawer). The archives' SHA-256 are those that TensorFlow
Datasets lists.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from metanas.base.errors import DataError
from metanas.data.adapter import DOMAINS, Examples, Remote
from metanas.data.files import FromFiles
from tasks import splits
from tasks.columns import image_file, number, text
from tasks.files import digest, members, table
from tasks.modality.image import decode

COLUMNS = {"image": image_file, "alphabet": text, "character": text, "drawer": number(1, 20)}
TURNS = (0, 90, 180, 270)
BASE = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"


@DOMAINS.register("omniglot")
class Omniglot(FromFiles):
    """1,623 handwritten characters x 4 rotations, 28x28 (Lake et al., 2015); Vinyals split."""

    name = "omniglot"
    modality = "image"
    licence = "MIT (brendenlake/omniglot)"
    citation = "Lake, Salakhutdinov, Tenenbaum 2015"
    packages = ("pillow",)
    recipe = "v2"
    items = 32_460
    remotes = (
        Remote(
            "omniglot/images_background.zip",
            f"{BASE}/images_background.zip",
            "sha256:ad41ab679c8b5d90b271ef46be6987cc81211774a695c29dcc5367b2b26ee640",
        ),
        Remote(
            "omniglot/images_evaluation.zip",
            f"{BASE}/images_evaluation.zip",
            "sha256:1f61a8f3366785b057fc117d9228e78a16e3d976c8953b2a10fcc74cf0609cee",
        ),
    )
    layouts = (("omniglot/images_background.parquet", "omniglot/images_evaluation.parquet"),)

    def load(self, root: Path | None) -> Examples:
        drawings = [drawing for file in self.locate(root) for drawing in _read(file)]
        class_split = {
            split: tuple(f"{character}@{turn}" for character in characters for turn in TURNS)
            for split, characters in splits.read("omniglot_vinyals").items()
        }
        classes = [name for names in class_split.values() for name in names]
        number_of = {name: i for i, name in enumerate(classes)}
        if unknown := [drawing for drawing in drawings if f"{drawing.character}@0" not in number_of]:
            raise DataError(f"{unknown[0].name}: no split has the character {unknown[0].character!r}")
        upright = np.stack([decode(d.name, d.png, "L", 28, resize=True) for d in drawings])
        names = [f"{drawing.character}@{turn}" for turn in TURNS for drawing in drawings]
        return Examples(
            x=255 - np.concatenate([np.rot90(upright, k, axes=(2, 3)) for k in range(4)]),
            labels=np.array([number_of[name] for name in names], np.int64),
            classes=tuple(classes),
            splits=class_split,
            source=digest(drawing.png for drawing in drawings),
            groups=np.tile([drawing.drawer for drawing in drawings], 4),
            sample=len(drawings) != self.items,
        )


class _Drawing(NamedTuple):
    """One image: 105x105, black on white. character: "Greek/character01"; drawer: 1 to 20."""

    name: str
    png: bytes
    character: str
    drawer: int


def _read(file: Path) -> Iterator[_Drawing]:
    """The drawings of one archive or Parquet file, in the order of their paths."""
    if file.suffix == ".parquet":
        for row, (png, alphabet, character, drawer) in enumerate(table(file, COLUMNS), 1):
            yield _Drawing(f"{file}: row {row}", png, f"{alphabet}/{character}", drawer)
        return
    for name, png in members(file, ".png"):  # images_background/Greek/character01/0394_01.png
        parts = name.split("/")
        if len(parts) < 3 or not parts[-1][-6:-4].isdecimal():
            raise DataError(f"{file}: {name}: expected ALPHABET/CHARACTER/NUMBER_DRAWER.png")
        yield _Drawing(f"{file}: {name}", png, "/".join(parts[-3:-1]), int(parts[-1][-6:-4]))
