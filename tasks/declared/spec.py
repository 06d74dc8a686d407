"""The YAML of a domain: where its examples are, which columns hold them, how its classes are split.

    modality: text
    source: {csv: questions.csv, text: question, label: intent}
    splits: {train: 0.6, val: 0.2, test: 0.2}

`metanas/data/adapter.py` finds such files, whose names are those of the domains; `adapter.py` reads the data.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from metanas.base import described
from metanas.base.meant import meant
from metanas.data.episode import META_SPLITS, SPLITS, Modality, Split

KINDS = ("hf", "torchvision", "torchaudio", "folder", "csv", "parquet", "jsonl")
LEVELS = ("class", "group", "split", "file", "*")  # of a folder's layout
INPUTS: dict[str, Modality] = {"text": "text", "image": "image", "audio": "speech", "series": "series"}
LIBRARIES = ("torchvision", "torchaudio")
ONLY_OF = {  # keys of a source that say nothing of other kinds
    "revision": ("hf",),
    "config": ("hf",),
    "parts": ("hf", "torchvision"),
    "path": LIBRARIES,
    "layout": ("folder",),
}
PREPROCESSING: dict[Modality, tuple[str, ...]] = {
    "text": ("width", "words"),
    "image": ("size", "channels"),
    "speech": ("frames",),
    "series": ("steps",),
}
SYNONYMS = {
    **META_SPLITS,
    "validation": "val",
    "valid": "val",
    "dev": "val",
    "audio": "speech",
    "sound": "speech",
    "picture": "image",
    "timeseries": "series",
    "license": "licence",
    "split": "splits",
}
Size = Annotated[int, Field(ge=1, le=4096)]


class Source(BaseModel):
    """Where the examples are: one of KINDS, and the columns to read.

    hf: a data set of the Hugging Face hub with its revision (a commit), or a local copy. torchvision,
    torchaudio: the name of a data set class. folder: a folder, zip or tar archive. csv, parquet, jsonl:
    files. Paths are below --data-root or the folder of the YAML file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    hf: str | None = None
    torchvision: str | None = None
    torchaudio: str | None = None
    folder: str | None = None
    csv: str | tuple[str, ...] | None = None
    parquet: str | tuple[str, ...] | None = None
    jsonl: str | tuple[str, ...] | None = None
    text: str | None = None  # the column of the inputs, by the modality; default: its name
    image: str | None = None
    audio: str | None = None
    series: str | None = None
    label: str = "label"
    group: str | None = None  # column of the speaker or drawer
    revision: str | None = None
    config: str | None = None  # hf: the configuration
    parts: tuple[str | dict[str, Any], ...] = ()  # hf: names; torchvision: splits, or arguments; default: all
    path: str | None = None  # torchvision, torchaudio: what the library reads below the data folder
    layout: str = "class/file"  # folder

    @model_validator(mode="after")
    def _one(self) -> "Source":
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"source names one of {', '.join(KINDS)}; got {', '.join(given) or 'none'}")
        for key in self.model_fields_set & set(ONLY_OF):
            if given[0] not in ONLY_OF[key]:
                raise ValueError(f"{key} is of {' and '.join(ONLY_OF[key])}; this source is {given[0]}")
        levels = self.layout.split("/")
        if levels[-1] != "file" or levels.count("class") != 1 or not set(levels) <= set(LEVELS):
            raise ValueError(
                f"layout is {self.layout!r}; it is words of {', '.join(LEVELS)} with slashes, class once, "
                "file last"
            )
        if self.revision is not None and not re.fullmatch(r"[0-9a-f]{7,64}", self.revision):
            raise ValueError(f"revision is {self.revision!r}; it is a commit, since branches and tags move")
        return self

    @property
    def kind(self) -> str:
        """Which of KINDS."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def names(self) -> tuple[str, ...]:
        """The data set, or the paths of its files."""
        value = getattr(self, self.kind)
        return (value,) if isinstance(value, str) else tuple(value)


class Download(BaseModel):
    """Where a file of the source comes from, and the digest that it must have; none: the first is trusted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, Field(pattern="^https?://")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    md5: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] | None = None

    @property
    def digest(self) -> str:
        """As `Remote` has it."""
        return f"sha256:{self.sha256}" if self.sha256 else f"md5:{self.md5}" if self.md5 else ""


class Column(BaseModel):
    """The split of a class stands in a column of its examples: train, val or test."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str


class DomainFile(BaseModel):
    """A domain as its YAML file declares it.

    splits: class names by split, shares of the classes by split, a column, or the one split of all classes.
    size, channels: of images. width, words: byte and word tokens of a text. frames: of a spectrogram, 12.5 ms
    each. steps: of a series; longer ones are cut. items: examples of the full set; fewer are a sample.
    downloads: the source's files that `metanas data prepare` fetches, by their path. recipe: the version of
    the preprocessing; without one, what is set of the above.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    summary: str = ""
    modality: Modality
    source: Source
    splits: Column | dict[Split, tuple[str, ...]] | dict[Split, Annotated[float, Field(gt=0, le=1)]] | Split
    licence: str = ""
    citation: str = ""
    size: Size = 28
    channels: Literal[1, 3] = 3
    width: Size = 96
    words: Size = 24
    frames: Size = 64
    steps: Size = 128
    items: Annotated[int, Field(ge=1)] | None = None
    downloads: dict[str, Download] = {}
    recipe: Annotated[str, Field(pattern=r"^\S")] | None = None

    @field_validator("splits", mode="before")
    @classmethod
    def _form(cls, value: Any) -> Any:
        """Splits of a form that there is: pydantic would say what is wrong as one of each."""
        named = {value: 1.0} if isinstance(value, str) else value
        if not isinstance(named, dict):
            raise ValueError(f"it is {value!r:.60}; it must be {{train: [a, b], test: [c, d]}} or the like")
        if "column" in named:
            return value
        for split, part in named.items():
            if split not in SPLITS:
                hint = meant(split, (*SPLITS, "column"), SYNONYMS)
                raise ValueError(f"no split is named {split!r}{hint}")
            _check_part(split, part)
        if len({isinstance(part, list) for part in named.values()}) > 1:
            raise ValueError("there are lists of classes and shares; it is one or the other")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> "DomainFile":
        for modality, keys in PREPROCESSING.items():
            if modality != self.modality and (given := self.model_fields_set & set(keys)):
                own = " and ".join(PREPROCESSING[self.modality])
                raise ValueError(f"{min(given)} is of {modality}; {self.modality} has {own}")
        if isinstance(self.splits, dict):
            listed = [c for classes in self.splits.values() if isinstance(classes, tuple) for c in classes]
            if twice := {c for c in listed if listed.count(c) > 1}:
                raise ValueError(f"splits: class {min(twice)!r} stands there twice; splits are disjoint")
            shares = [share for share in self.splits.values() if isinstance(share, float)]
            if shares and sum(shares) > 1 + 1e-9:
                raise ValueError(f"splits: the shares add up to {sum(shares):g}; at most 1")
            if "test" not in self.splits:
                raise ValueError(
                    "splits: no classes for 'test'; a domain is tested on the classes of that split"
                )
        if self.modality == "series" and self.source.kind in ("folder", "torchvision", "torchaudio"):
            raise ValueError("source: series are lists of numbers in a column of csv, parquet, jsonl or hf")
        if self.downloads and set(self.downloads) != set(self.source.names):
            raise ValueError(
                f"downloads: there are {', '.join(self.downloads)}; "
                f"the source is {', '.join(self.source.names)}"
            )
        for key, modality in INPUTS.items():
            if getattr(self.source, key) is not None and modality != self.modality:
                raise ValueError(f"source: {key} is of modality {modality}, and this is {self.modality}")
        return self

    @property
    def input(self) -> str:
        """The column of the inputs."""
        key = "audio" if self.modality == "speech" else self.modality
        column: str = getattr(self.source, key) or key
        return column

    @property
    def split_column(self) -> str | None:
        """The column with the split of each class, None if the YAML says it otherwise."""
        return self.splits.column if isinstance(self.splits, Column) else None


def _check_part(split: str, part: Any) -> None:
    """ValueError unless this is a share of the classes, or their names."""
    if isinstance(part, list):
        if wrong := [name for name in part if not isinstance(name, str)]:
            example = "'yes'" if isinstance(wrong[0], bool) else f"'{wrong[0]}'"
            raise ValueError(f"{split}: {wrong[0]!r} is no text; class names are: quote it, as {example}")
    elif isinstance(part, bool) or not isinstance(part, int | float) or not 0 < part <= 1:
        raise ValueError(
            f"{split}: it is {part!r:.60}; it must be a share above 0 and at most 1, or a list of classes"
        )


def read(path: Path) -> DomainFile:
    """The domain that a YAML file declares. InvalidValue names the file, the field and what is wrong."""
    return described.read(path, DomainFile, "does not describe a domain", SYNONYMS)
