"""The data cache: a domain's preprocessed arrays in a folder, built once and memory-mapped afterwards.

An adapter (`tasks/*.py`) turns its source into `Examples`; `open_store` builds the folder on first use, under
a lock, in a temporary folder that is renamed when complete. So two processes may call it at once, and after a
kill at any moment the cache is either absent or complete. `domain.py` draws tasks from it.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from filelock import FileLock

from metanas.base import json_text
from metanas.base.atomic import cache_folder, flushed, sha256
from metanas.base.errors import DataError, InvalidValue, MetanasError
from metanas.data import duplicates, identity
from metanas.data.adapter import DOMAINS, Examples
from metanas.data.episode import Modality, Split
from metanas.data.examples_check import check_adapter, check_examples, check_inputs
from metanas.data.roots import DataRoot, root_of

ARRAYS = ("x", "words", "labels", "groups")
FORMAT = 4  # version of the cache folder's layout


@dataclass(frozen=True)
class Store:
    """An opened cache folder: `Examples` on disk, and the fingerprint that pins them.

    scale: (mean, standard deviation) per image channel or mel band over the meta-train classes; None for
    text and where there are no such classes. words: size of the word vocabulary, 0 where there is none.
    """

    name: str
    path: Path
    examples: Examples
    fingerprint: str
    scale: tuple[list[float], list[float]] | None = None
    words: int = 0

    @cached_property
    def extra(self) -> dict[str, Any]:
        """`Examples.extra`, read from its file on first use."""
        extra: dict[str, Any] = json.loads((self.path / "extra.json").read_text(encoding="utf-8"))
        return extra


class About(TypedDict):
    """A summary of a built domain; examples: their number."""

    fingerprint: str
    sample: bool
    examples: int
    classes: dict[Split, int]  # number per split
    repeats: duplicates.RepeatedExamples


def fingerprint(name: str, recipe: str, examples: Examples) -> str:
    """SHA-256 of what pins a domain: source, preprocessing, labels, classes, splits and groups."""
    text = json.dumps([name, recipe, examples.source, examples.classes, dict(examples.splits)])
    sha = hashlib.sha256(text.encode())
    for array in (examples.labels, examples.groups):
        sha.update(b"-" if array is None else np.ascontiguousarray(array, "<i8").tobytes())
    return sha.hexdigest()


def folder_of(name: str, root: DataRoot) -> Path:
    """The cache folder of a domain, named by all that decides its content (`identity.py`). DataError.

    Whatever changes gives a new folder: a source file, also one inside a folder, a package's version, the
    recipe, the class splits, the code that generates the data.
    """
    kind = DOMAINS[name]
    check_adapter(name, kind)
    adapter = kind()
    paths = adapter.locate(root_of(root, name))
    if isinstance(paths, str) or not isinstance(paths, Iterable):
        raise DataError(f"{name}: locate returned {paths!r:.80}; it returns a list of paths, [] for none")
    try:
        stamps = identity.stamps(paths)
    except OSError as error:
        raise DataError(f"{name}: {error.filename} cannot be read: {error.strerror}") from error
    versions = [(package, _version(package, name)) for package in adapter.packages]
    more = [part for part in (identity.settings(name, kind), identity.code(kind)) if part]
    text = json.dumps([FORMAT, name, adapter.recipe, stamps, versions, *more])
    return cache_folder() / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def open_store(name: str, root: DataRoot = None, *, refresh: bool = False) -> Store:
    """The domain's store, built if need be. DataError if the source is missing or the cache is damaged.

    refresh: build it anew from the source, whatever is there.
    """
    folder = folder_of(name, root)
    if refresh or not folder.is_dir():
        with _alone(folder):
            if refresh or not folder.is_dir():  # another process may have built it in the meantime
                _build(name, root, folder)
    return _open(name, folder)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder of the cache. DataError if the cache cannot be written."""
    lock = FileLock(folder.with_name(folder.name + ".lock"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise DataError(
            f"the cache folder {folder.parent} cannot be written ({error.strerror}); METANAS_CACHE names "
            "another"
        ) from error
    try:
        yield
    finally:
        lock.release()


def is_ready(name: str, root: DataRoot = None) -> bool:
    """Whether `open_store` would find a built cache. DataError if the source is missing."""
    return folder_of(name, root).is_dir()


def about(name: str, root: DataRoot = None) -> About:
    """A built domain's summary, without opening its arrays. DataError if it is not built, or damaged."""
    folder = folder_of(name, root)
    try:
        fields = json_text.loads((folder / "about.json").read_text(encoding="utf-8"))
        classes = {split: len(names) for split, names in fields["splits"].items()}
        return About(
            fingerprint=fields["fingerprint"],
            sample=fields["sample"],
            examples=fields["examples"],
            classes=classes,
            repeats=fields["repeats"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, error) from error


def _build(name: str, root: DataRoot, folder: Path) -> None:
    adapter, place = DOMAINS[name](), root_of(root, name)
    try:
        examples = check_inputs(name, adapter.modality, adapter.load(place))
        content = duplicates.contents(examples.x)
        check_examples(name, adapter.modality, examples, content)
    except MetanasError:
        raise
    except (
        ArithmeticError,
        AttributeError,
        EOFError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        # an adapter met a name, a number or a shape in the files that it did not expect
        located = ", ".join(map(str, list(adapter.locate(place))[:3]))
        raise DataError(
            f"{name}: {located or 'its data'} cannot be read ({type(error).__name__}: {error}); is it the "
            "data set in the layout of its publisher? --debug shows where"
        ) from error
    temporary = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)  # left by a kill; this process has the lock
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
            "repeats": duplicates.of_examples(examples, content),
        }
        with flushed(temporary / "about.json") as file:
            file.write(json.dumps(about).encode())
        if folder_of(name, root) != folder:
            raise DataError(f"{name}: its files changed while they were read; run again when they are whole")
        if folder.is_dir():  # refreshed: whoever has opened it keeps what it has
            old = folder.with_name(f".{folder.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
        temporary.rename(folder)
        shutil.rmtree(folder.with_name(f".{folder.name}.old"), ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _scale(modality: Modality, examples: Examples) -> tuple[list[float], list[float]] | None:
    """Mean and standard deviation per channel or band over the meta-train classes, in float64."""
    train = [i for i, name in enumerate(examples.classes) if name in set(examples.splits.get("train", ()))]
    if modality == "text" or not train:
        return None
    axes = (0, 2, 3) if modality == "image" else (0, 2)
    count, total, squares = (np.zeros(examples.x.shape[1]) for _ in range(3))
    rows = np.flatnonzero(np.isin(examples.labels, train))
    for part in np.array_split(rows, len(rows) // 4096 + 1):  # in pieces: all in float64 may not fit
        x = examples.x[part].astype(np.float64)
        real = ~np.isnan(x)  # not padding
        count, total = count + real.sum(axes), total + np.nansum(x, axes)
        squares = squares + np.nansum(x**2, axes)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 1e-6))
    return mean.tolist(), deviation.tolist()


def _open(name: str, folder: Path) -> Store:
    try:
        about = json_text.loads((folder / "about.json").read_text(encoding="utf-8"))
        for file, expected in about["files"].items():
            if sha256(folder / file) != expected:
                raise InvalidValue(f"{file} does not have the SHA-256 it was written with")
        arrays = {  # "c": pages are shared with other processes and never written back
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
