"""Data source adapters: the `Adapter` protocol, the `Examples` it returns, and the registry `DOMAINS`.

One adapter is one file in `tasks/`. `files.py` has the base class of adapters that read files; `store.py`
caches what an adapter returns.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from metanas.base import plugins
from metanas.base.errors import InvalidValue
from metanas.base.registry import Registry, UnknownName
from metanas.data.episode import Modality, Split

GROUP = "metanas.domains"  # of entry points
NOT_STATED = "not stated"  # licence or citation of a YAML file that says nothing of it
Clip = tuple[NDArray[np.int16], int]  # samples and rate (Hz)


@dataclass(frozen=True)
class Examples:
    """All examples of a domain, preprocessed but not normalised.

    x: (n, *input_shape), uint8 images | int16 byte tokens (0 = padding) | float16 log-mels, or float16 or
    float32 series (NaN = padding).
    words: (n, width) int32 word tokens of a text, over a vocabulary of the meta-train classes.
    labels: (n,) index into `classes`. groups: (n,) number of the speaker or drawer, None where unknown.
    splits: class names by split; the splits are disjoint.
    source: SHA-256 of what was read, before any floating point (which differs between machines).
    sample: this is only a part of the data set; its scores are never ranked with those of the full set.
    vocabulary: number of byte token ids, 0 where x is not text.
    extra: JSON values that are loaded only on use: "text" (n,), for `episode_page.py` and the words of frozen
    vectors; "clip" (n,), for `episode_page.py`;
    "vocabulary", the words behind `words`.
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
    """One data source: a class with these attributes, registered in DOMAINS.

    synthetic: generated data; shown wherever a score on it is. packages: pip packages whose version decides
    the data. recipe: version of the preprocessing ("v1"), to be raised when it changes. remotes: the files
    of the full set (`files.py`). spoken: of speech, whether a clip keeps its class in another voice and
    tempo, as words do and tones do not; augmentation asks for it (`metanas/meta/augmented.py`).
    """

    modality: ClassVar[Modality]
    licence: ClassVar[str]
    citation: ClassVar[str]
    synthetic: ClassVar[bool]
    packages: ClassVar[tuple[str, ...]]
    recipe: ClassVar[str]
    remotes: ClassVar[tuple["Remote", ...]] = ()
    spoken: ClassVar[bool] = True

    def locate(self, root: Path | None) -> Sequence[Path]:
        """The files that `load` reads; none for data from a pip package.

        root: the data folder, None for downloads. DataError says what is missing and how to get it.
        """
        ...

    def load(self, root: Path | None) -> Examples:
        """Read and preprocess all examples. root: as for `locate`. DataError names a file that is damaged."""
        ...

    def clips(self, root: Path | None, names: Sequence[str]) -> Iterator[tuple[str, Clip]]:
        """The recordings behind `Examples.extra["clip"]`, by name; only for `episode_page.py`."""
        yield from ()


@dataclass(frozen=True)
class Remote:
    """One file of a data set.

    path: below the data folder. digest: "sha256:..." or "md5:..."; empty where none could be verified, then
    the first download is trusted (`download.py`).
    """

    path: str
    url: str
    digest: str = ""


class Domains(Registry[type[Adapter]]):
    """All domains: those of `tasks/`, Python or YAML, of installed packages, and YAML files of your own.

    The latter are `*.yaml` in the folders and the files that METANAS_DOMAINS names (default: the folder
    `domains` of the working directory), and have the name of their file (`tasks/declared/spec.py`). An
    installed package's entry point that names a module alone is the YAML file of its name beside that module.
    """

    def __init__(self) -> None:
        super().__init__(
            "domain",
            "DOMAINS",
            ("tasks",),
            GROUP,
            like="metanas.data.adapter.Adapter",
            needs=(*Adapter.__annotations__, "locate", "load", "clips"),
        )
        self._declared: dict[Path, tuple[str, type[Adapter]]] = {}  # by file: its content, its adapter

    def entries(self) -> list[plugins.Entry]:
        """Name, file and summary of every domain, sorted by name; reads no YAML."""
        known = {
            entry.name: replace(entry, summary=f"declared in {entry.package}")
            if _packaged(entry.name)
            else entry
            for entry in super().entries()
        }
        for path in _ours():
            known[path.stem] = plugins.Entry(path.stem, str(path), _summary(path))
        for path in declared_files():
            known.setdefault(path.stem, plugins.Entry(path.stem, str(path), f"declared in {path}"))
        return [known[name] for name in sorted(known)]

    def __getitem__(self, name: str) -> type[Adapter]:
        """The adapter of that name. UnknownName; InvalidValue for a wrong YAML file or a taken name."""
        files = [path for path in declared_files() if path.stem == name]
        given = next((path for path in _ours() if path.stem == name), None) or _packaged(name)
        if not files:
            return self._registered(name) if given is None else self._of_file(name, given)
        other = next((entry.module for entry in super().entries() if entry.name == name), given)
        if other is not None or len(files) > 1:
            raise InvalidValue(
                f"domain {name!r} is that of {other or files[1]}; give {files[0]} another name"
            )
        return self._of_file(name, files[0])

    def problems(self) -> list[str]:
        """A line for each foreign entry point or file of METANAS_DOMAINS that is left out."""
        return [*super().problems(), *_left_out()]

    def unknown(self, name: str) -> UnknownName:
        """The error for a name that no domain has; it also says which files of yours are left out."""
        return UnknownName("domain", name, tuple(self), "; ".join(_left_out()))

    def _registered(self, name: str) -> type[Adapter]:
        """The adapter that a module registers. UnknownName; PluginError also says that there is no YAML."""
        try:
            return super().__getitem__(name)
        except UnknownName:
            raise self.unknown(name) from None
        except plugins.PluginError as error:
            entry = plugins.scan("DOMAINS", ("tasks",), GROUP).get(name)
            if entry is None or not entry.package or ":" in entry.target:
                raise
            raise plugins.PluginError(f"{error}; nor is there a {name}.yaml beside {entry.module}") from error

    def _of_file(self, name: str, path: Path) -> type[Adapter]:
        content = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        known = self._declared.get(path)
        if known is None or known[0] != content:
            made: type[Adapter] = plugins.load("tasks.declared.adapter").of_file(name, path)
            self._declared[path] = known = (content, made)
        return known[1]


@cache
def _ours() -> tuple[Path, ...]:
    """The YAML files beside our adapters."""
    return tuple(sorted(plugins.folder("tasks").glob("*.yaml")))


def _summary(path: Path) -> str:
    """What a domain's YAML file says of it in one line, without a parser, which takes long."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((line.removeprefix("summary: ") for line in lines if line.startswith("summary: ")), "")


def _packaged(name: str) -> Path | None:
    """The YAML file of an installed package's domain; None where a module registers it."""
    entry = plugins.scan("DOMAINS", ("tasks",), GROUP).get(name)
    if entry is None or not entry.package or ":" in entry.target:
        return None
    place = plugins.place(entry.module)
    path = None if place is None else place / f"{name}.yaml"
    return path if path is not None and path.is_file() else None


def declared_files() -> list[Path]:
    """The YAML files of METANAS_DOMAINS, in its order; those of a folder sorted."""
    found: list[Path] = []
    for path in _given():
        if path.is_dir():
            found += sorted(path.glob("*.yaml"))
        elif path.suffix == ".yaml":
            found.append(path)
    return found


def _given() -> list[Path]:
    parts = os.environ.get("METANAS_DOMAINS", "domains").split(os.pathsep)
    return [Path(part).absolute() for part in parts if part]


def _left_out() -> list[str]:
    """A line for each file or folder that METANAS_DOMAINS names in vain, and each file that ends in .yml."""
    found = []
    for path in _given():
        if path.is_dir():
            found += [
                f"{file} is left out: rename it to {file.stem}.yaml" for file in sorted(path.glob("*.yml"))
            ]
        elif "METANAS_DOMAINS" in os.environ and not path.exists():
            found.append(f"METANAS_DOMAINS names {path}, which does not exist")
        elif path.exists() and path.suffix != ".yaml":
            found.append(f"METANAS_DOMAINS names {path}, which is neither a folder nor a .yaml file")
    return found


DOMAINS = Domains()
