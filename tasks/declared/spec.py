"""The YAML of a domain: where its examples are, which columns hold them, how its classes are split.

    modality: text
    source: {csv: questions.csv, text: question, label: intent}
    splits: {train: 0.6, val: 0.2, test: 0.2}

`metanas/data/adapter.py` finds such files, whose names are those of the domains; `adapter.py` reads the data.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from metanas.base import yaml_text
from metanas.base.errors import InvalidValue
from metanas.data.episode import Modality, Split

KINDS = ("hf", "torchvision", "torchaudio", "folder", "csv", "parquet", "jsonl")
LEVELS = ("class", "group", "split", "file", "*")  # of a folder's layout
INPUTS: dict[str, Modality] = {"text": "text", "image": "image", "audio": "speech", "series": "series"}
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

    @model_validator(mode="after")
    def _consistent(self) -> "DomainFile":
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


def read(path: Path) -> DomainFile:
    """The domain that a YAML file declares. InvalidValue names the file, the field and what is wrong."""
    try:
        fields: Any = yaml_text.read(path)
        return DomainFile.model_validate(fields)
    except OSError as error:
        raise InvalidValue(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        faults = [fault for fault in error.errors() if not _of_another_form(fault["loc"])] or error.errors()
        where = ".".join(map(str, faults[0]["loc"])) or "the file"
        said = faults[0]["msg"].removeprefix("Value error, ")
        raise InvalidValue(f"{path} does not describe a domain: {where}: {said}") from error


def _of_another_form(place: tuple[int | str, ...]) -> bool:
    """Whether a fault is of one of the forms of `splits` that it does not have: pydantic tells of all."""
    return len(place) > 1 and place[0] == "splits"
