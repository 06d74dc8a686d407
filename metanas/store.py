"""Where the examples of a domain lie: arrays in a cache folder, built once, memory-mapped ever after.

An adapter (`tasks/*.py`) turns its source into `Examples`; `open_store` builds the folder on first use,
under a lock, in a temporary folder that is renamed when whole. So two processes may ask at once and a
kill at any moment leaves a cache that is either absent or complete. Next: `domain.py` draws from it.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from metanas.episode import Modality, Split
from metanas.kinds import DOMAINS

ARRAYS = ("x", "labels", "groups")


class DataError(RuntimeError):
    """Data is missing, damaged, or not what the benchmark was pinned on."""


@dataclass(frozen=True)
class Examples:
    """All examples of a domain, ready for a stem.

    x: (n, *input_shape), uint8 images | int32 token ids (0 = padding) | float16 log-mels.
    labels: (n,) index into `classes`. groups: (n,) speaker or drawer, where there is one.
    source: SHA-256 of what was read, before any floating point (which differs between machines).
    sample: this is a part of the data set; scores on it are never ranked with the full set.
    extra: what a page shows beside an example: {"text": [...]}; JSON, not used for learning.
    """

    x: NDArray[Any]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    splits: Mapping[Split, tuple[str, ...]]
    source: str
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

    def locate(self, root: Path | None) -> Sequence[Path]:
        """The files that will be read; DataError says what is missing and how to get it."""
        ...

    def load(self, root: Path | None) -> Examples:
        """Read and preprocess everything. root: where data sets lie, None to download or for pip data."""
        ...


@dataclass(frozen=True)
class Store:
    """An opened cache folder: `Examples` on disk, and the fingerprint that pins them."""

    name: str
    path: Path
    examples: Examples
    fingerprint: str


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
    text = json.dumps([name, adapter.recipe, sorted(stamps), versions])
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


def _build(name: str, root: Path | None, folder: Path) -> None:
    adapter = DOMAINS[name]()
    examples = adapter.load(root)
    for stale in folder.parent.glob(f".{name}-*"):
        shutil.rmtree(stale, ignore_errors=True)  # left by a kill; we hold the lock
    temporary = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder.parent))
    try:
        files = {}
        for key in ARRAYS:
            if (array := getattr(examples, key)) is not None:
                files[f"{key}.npy"] = _write(temporary / f"{key}.npy", np.ascontiguousarray(array))
        about = {
            "name": name,
            "fingerprint": fingerprint(name, adapter.recipe, examples),
            "files": files,
            "classes": examples.classes,
            "splits": dict(examples.splits),
            "source": examples.source,
            "sample": examples.sample,
            "vocabulary": examples.vocabulary,
            "extra": dict(examples.extra),
        }
        (temporary / "about.json").write_text(json.dumps(about), encoding="utf-8")
        os.sync()
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(path: Path, array: NDArray[Any]) -> str:
    np.save(path, array, allow_pickle=False)
    return _sha256(path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _open(name: str, folder: Path) -> Store:
    try:
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        for file, expected in about["files"].items():
            if _sha256(folder / file) != expected:
                raise ValueError(f"{file} does not have the SHA-256 it was written with")
        arrays = {
            key: np.load(folder / f"{key}.npy", mmap_mode="r", allow_pickle=False)
            for key in ARRAYS
            if f"{key}.npy" in about["files"]
        }
        rest = {key: about[key] for key in ("source", "sample", "vocabulary", "extra")}
        splits = {split: tuple(names) for split, names in about["splits"].items()}
        examples = Examples(**arrays, classes=tuple(about["classes"]), splits=splits, **rest)
        return Store(name, folder, examples, about["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"the cache {folder} is damaged ({error}); delete that folder and run again"
        ) from error


def _version(package: str, domain: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        raise DataError(f"domain {domain!r} needs the package {package!r}: pip install {package}") from None
