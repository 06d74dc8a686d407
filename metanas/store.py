"""Where the examples of a domain lie: arrays in a cache folder, built once, memory-mapped ever after.

An adapter (`tasks/*.py`) turns its source into `Examples`; `open_store` builds the folder on first use,
under a lock, in a temporary folder that is renamed when whole. So two processes may ask at once and a
kill at any moment leaves a cache that is either absent or complete. Next: `domain.py` draws from it.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypedDict

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from metanas.disk import flushed
from metanas.episode import Modality, Split
from metanas.kinds import DOMAINS

if TYPE_CHECKING:
    from metanas.fetch import Remote

ARRAYS = ("x", "words", "labels", "groups")
FORMAT = 3  # of the cache folder


Clip = tuple[NDArray[np.int16], int]  # samples and rate (Hz)


class DataError(RuntimeError):
    """Data is missing, damaged, or not what the benchmark was pinned on."""


@dataclass(frozen=True)
class Examples:
    """All examples of a domain, ready for a stem.

    x: (n, *input_shape), uint8 images | int16 byte tokens (0 = padding) | float16 log-mels (NaN = padding).
    words: (n, width) int32 word tokens of a text, over a vocabulary of the meta-train classes.
    labels: (n,) index into `classes`. groups: (n,) speaker or drawer, where there is one.
    source: SHA-256 of what was read, before any floating point (which differs between machines).
    sample: this is a part of the data set; scores on it are never ranked with the full set.
    vocabulary: number of byte tokens, 0 where x is no text.
    extra: JSON that is read only when asked for: "text" or "clip" (what a page shows), "vocabulary".
    """

    x: NDArray[Any]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    splits: Mapping[Split, tuple[str, ...]]
    source: str
    words: NDArray[np.int32] | None = None
    groups: NDArray[np.int64] | None = None
    sample: bool = False
    vocabulary: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)


class Adapter(Protocol):
    """One data source. A class with these attributes, registered in DOMAINS, one file in `tasks/`."""

    modality: ClassVar[Modality]
    licence: ClassVar[str]
    citation: ClassVar[str]
    synthetic: ClassVar[bool]  # said wherever a score of it stands
    packages: ClassVar[tuple[str, ...]]  # the pip packages whose version decides the data
    recipe: ClassVar[str]  # raise it when preprocessing changes: "v1"
    remotes: ClassVar[tuple["Remote", ...]] = ()  # the files of the full set, see source.py

    def locate(self, root: Path | None) -> Sequence[Path]:
        """The files that will be read; DataError says what is missing and how to get it."""
        ...

    def load(self, root: Path | None) -> Examples:
        """Read and preprocess everything. root: where data sets lie, None to download or for pip data."""
        ...

    def clips(self, root: Path | None, names: Sequence[str]) -> Iterator[tuple[str, Clip]]:
        """The sounds behind `Examples.extra["clip"]`, by name; for a page, not used for learning."""
        yield from ()


@dataclass(frozen=True)
class Store:
    """An opened cache folder: `Examples` on disk, and the fingerprint that pins them.

    scale: (mean, deviation) per image channel or mel band over the meta-train classes; None for text and
    where there are no such classes. words: size of the word vocabulary, 0 where there is none.
    """

    name: str
    path: Path
    examples: Examples
    fingerprint: str
    scale: tuple[list[float], list[float]] | None = None
    words: int = 0

    @cached_property
    def extra(self) -> dict[str, Any]:
        """What lies beside the arrays, see `Examples.extra`."""
        found: dict[str, Any] = json.loads((self.path / "extra.json").read_text(encoding="utf-8"))
        return found


class About(TypedDict):
    """What `about` tells of a built domain without opening its arrays."""

    fingerprint: str
    sample: bool
    examples: int
    classes: dict[Split, int]  # per split


def cache_folder() -> Path:
    """METANAS_CACHE, or metanas/ in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("METANAS_CACHE") or Path(base) / "metanas")


def fingerprint(name: str, recipe: str, examples: Examples) -> str:
    """What pins a domain: source, preprocessing, labels, classes, splits and groups, as SHA-256."""
    text = json.dumps([name, recipe, examples.source, examples.classes, dict(examples.splits)])
    sha = hashlib.sha256(text.encode())
    for array in (examples.labels, examples.groups):
        sha.update(b"-" if array is None else np.ascontiguousarray(array, "<i8").tobytes())
    return sha.hexdigest()


def folder_of(name: str, root: Path | None) -> Path:
    """The cache folder of this domain from this source: new files or package versions, new folder."""
    adapter = DOMAINS[name]()
    stamps = [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in adapter.locate(root)]
    versions = [(package, _version(package, name)) for package in adapter.packages]
    text = json.dumps([FORMAT, name, adapter.recipe, sorted(stamps), versions])
    return cache_folder() / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def open_store(name: str, root: Path | None = None) -> Store:
    """The domain's store, built if it is not there yet. DataError if it cannot be had or is damaged."""
    folder = folder_of(name, root)
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(folder.name + ".lock")):
            if not folder.is_dir():  # another process may have built it while we waited
                _build(name, root, folder)
    return _open(name, folder)


def is_ready(name: str, root: Path | None = None) -> bool:
    """Whether `open_store` would find a built cache. DataError if the source is missing."""
    return folder_of(name, root).is_dir()


def about(name: str, root: Path | None = None) -> About:
    """What a built domain is. DataError if it is not built, or damaged."""
    folder = folder_of(name, root)
    try:
        found = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        classes = {split: len(names) for split, names in found["splits"].items()}
        return About(
            fingerprint=found["fingerprint"],
            sample=found["sample"],
            examples=found["examples"],
            classes=classes,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, error) from error


def _build(name: str, root: Path | None, folder: Path) -> None:
    adapter = DOMAINS[name]()
    examples = adapter.load(root)
    _check_classes(name, examples)
    temporary = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)  # left by a kill; we hold the lock
    temporary.mkdir()
    try:
        for key in ARRAYS:
            if (array := getattr(examples, key)) is not None:
                with flushed(temporary / f"{key}.npy") as file:
                    np.save(file, np.ascontiguousarray(array), allow_pickle=False)
        with flushed(temporary / "extra.json") as file:
            file.write(json.dumps(dict(examples.extra)).encode())
        files = {path.name: sha256(path) for path in sorted(temporary.iterdir())}
        about = {
            "name": name,
            "fingerprint": fingerprint(name, adapter.recipe, examples),
            "files": files,
            "classes": examples.classes,
            "splits": dict(examples.splits),
            "source": examples.source,
            "sample": examples.sample,
            "examples": len(examples.labels),
            "vocabulary": examples.vocabulary,
            "words": len(examples.extra.get("vocabulary", ())),
            "scale": _scale(adapter.modality, examples),
        }
        with flushed(temporary / "about.json") as file:
            file.write(json.dumps(about).encode())
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check_classes(name: str, examples: Examples) -> None:
    """DataError if a class of a split has no examples."""
    there = np.bincount(examples.labels, minlength=len(examples.classes)) > 0
    filled = {c for c, some in zip(examples.classes, there, strict=True) if some}
    for split, classes in examples.splits.items():
        if empty := [c for c in classes if c not in filled]:
            raise DataError(f"{name}: class {empty[0]!r} of {split} has no examples")


def write_array(path: Path, array: NDArray[Any]) -> None:
    """A .npy file, the whole of it or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with flushed(part) as file:
        np.save(file, array, allow_pickle=False)
    part.replace(path)


def _scale(modality: Modality, examples: Examples) -> tuple[list[float], list[float]] | None:
    """Mean and deviation per channel or band over the examples of the meta-train classes, in float64."""
    train = [i for i, name in enumerate(examples.classes) if name in set(examples.splits.get("train", ()))]
    if modality == "text" or not train:
        return None
    over = (0, 2, 3) if modality == "image" else (0, 2)
    count, total, squares = (np.zeros(examples.x.shape[1]) for _ in range(3))
    rows = np.flatnonzero(np.isin(examples.labels, train))
    for part in np.array_split(rows, len(rows) // 4096 + 1):  # in pieces: all in float64 may not fit
        x = examples.x[part].astype(np.float64)
        there = ~np.isnan(x)
        count, total = count + there.sum(over), total + np.nansum(x, over)
        squares = squares + np.nansum(x**2, over)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 1e-6))
    return mean.tolist(), deviation.tolist()


def sha256(path: Path) -> str:
    """Of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _open(name: str, folder: Path) -> Store:
    try:
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        for file, expected in about["files"].items():
            if sha256(folder / file) != expected:
                raise ValueError(f"{file} does not have the SHA-256 it was written with")
        arrays = {  # "c": pages shared with other processes, and never written back
            key: np.load(folder / f"{key}.npy", mmap_mode="c", allow_pickle=False)
            for key in ARRAYS
            if f"{key}.npy" in about["files"]
        }
        rest = {key: about[key] for key in ("source", "sample", "vocabulary")}
        splits = {split: tuple(names) for split, names in about["splits"].items()}
        examples = Examples(**arrays, classes=tuple(about["classes"]), splits=splits, **rest)
        return Store(name, folder, examples, about["fingerprint"], about["scale"], about["words"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, error) from error


def _damaged(folder: Path, error: Exception) -> DataError:
    return DataError(f"the cache {folder} is damaged ({error}); delete that folder and run again")


def _version(package: str, domain: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        raise DataError(f"domain {domain!r} needs the package {package!r}: pip install {package}") from None
