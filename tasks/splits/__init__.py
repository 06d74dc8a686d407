"""Class splits as data: `<name>_{train,val,test}.txt`, one class per line; no file, no such split."""

from collections.abc import Mapping
from pathlib import Path

from metanas.data.episode import SPLITS, Split


def read(name: str) -> dict[Split, tuple[str, ...]]:
    """The classes of each split that has a file, in the order of the file."""
    files = {split: Path(__file__).with_name(f"{name}_{split}.txt") for split in SPLITS}
    return {
        split: tuple(file.read_text(encoding="utf-8").splitlines())
        for split, file in files.items()
        if file.exists()
    }


def classes(class_split: Mapping[Split, tuple[str, ...]]) -> list[str]:
    """The classes of all splits, in order."""
    return [name for names in class_split.values() for name in names]
