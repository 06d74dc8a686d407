"""A table of stand-alone accuracies: right answers of every architecture, per episode. Torch-free.

`load_table("table-v1")` reads the one of this package. One Parquet file holds a row for each architecture,
domain, seed, split and number of shots; its metadata say how it was made (`About`), so an architecture's text
needs only its layers. Accuracies are in [0, 1]. Searchers may look at split "val" alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from metanas.base import json_text
from metanas.base.atomic import write_atomically
from metanas.base.errors import DamagedFile, DataError, InvalidValue
from metanas.base.registry import UnknownName
from metanas.evaluation.result import parse_table
from metanas.space.architecture import Architecture, parse
from metanas.space.space import SearchSpace
from metanas.tables.definition import FOLDER, Definition, text_of

SCHEMA_VERSION = 1
SPLITS = ("val", "test")
PROXIES = ("naswot", "synflow", "grad_norm")
SCHEMA = pa.schema(
    [
        ("architecture", pa.dictionary(pa.int16(), pa.string())),
        ("number", pa.int64()),  # in the space, null for an architecture outside
        ("domain", pa.dictionary(pa.int16(), pa.string())),
        ("seed", pa.int16()),
        ("split", pa.dictionary(pa.int16(), pa.string())),
        ("shots", pa.int16()),
        ("right", pa.list_(pa.uint16())),  # right answers of each episode
        ("macs", pa.int64()),
        ("parameters", pa.int64()),
        ("train_flops", pa.int64()),
        ("seconds", pa.float32()),
        *((name, pa.float32()) for name in PROXIES),
    ]
)
Floats = NDArray[np.float64]
TableSplit = Literal["val", "test"]
SHARED = "shared"  # in the place of a domain: the mean over all domains


class Shape(BaseModel):
    """Ways, shots and queries per class of a domain's episodes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ways: int
    shots: int
    queries: int


class DomainAbout(BaseModel):
    """The data of one domain: its suite, the SHA-256 of the data and of the test episodes of each shape."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    suite: str
    suite_version: str
    modality: str
    fingerprint: str
    shapes: tuple[Shape, ...]
    test_episodes: tuple[str, ...]


class About(BaseModel):
    """How a table was made. commit, dirty: of the code, None outside a checkout."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    definition: Definition
    domains: dict[str, DomainAbout]
    environment: dict[str, str]
    package_version: str
    commit: str | None
    dirty: bool | None
    created: datetime


@dataclass(frozen=True)
class Table:
    """What `load_table` returns. A is the number of architectures, S of seeds, E of episodes.

    right: by (domain, split, shots), right answers (S, A, E). macs, train_flops: by domain (A,); parameters
    (A,) of layers and exit; seconds: by domain (S, A), of one kind of device, NaN for what another one
    trained. proxies: by name and domain (S, A), from untrained weights.
    """

    about: About
    architectures: tuple[Architecture, ...]
    right: Mapping[tuple[str, str, int], NDArray[np.uint16]]
    parameters: NDArray[np.int64]
    macs: Mapping[str, NDArray[np.int64]]
    train_flops: Mapping[str, NDArray[np.int64]]
    seconds: Mapping[str, NDArray[np.float32]]
    proxies: Mapping[str, Mapping[str, NDArray[np.float32]]]
    _index: dict[Architecture, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", {a: i for i, a in enumerate(self.architectures)})

    @cached_property
    def space(self) -> SearchSpace:
        """The space that the architectures are of, but for the named ones."""
        return self.about.definition.search_space

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains, in the order of their suites."""
        return tuple(self.about.domains)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the trainings."""
        return self.about.definition.seeds

    def shots(self, domain: str) -> tuple[int, ...]:
        """The numbers of shots that a domain was asked with. UnknownName for the domain."""
        return tuple(shape.shots for shape in self._about(domain).shapes)

    def index(self, architecture: Architecture | str) -> int:
        """The place of an architecture in `architectures`. InvalidValue if it is not listed.

        A text needs only the layers, as `text` gives them.
        """
        wanted = parse(architecture, self.space) if isinstance(architecture, str) else architecture
        if wanted not in self._index:
            name = self.about.definition.name
            raise InvalidValue(
                f"{wanted} is not in {name}, which lists {len(self.architectures)} architectures"
            )
        return self._index[wanted]

    def text(self, architecture: Architecture | int) -> str:
        """The layers of an architecture, or of the one at a place, as text."""
        return text_of(self.architectures[architecture] if isinstance(architecture, int) else architecture)

    def episodes(
        self, architecture: Architecture | str, domain: str, split: TableSplit = "test", shots: int = 5
    ) -> Floats:
        """Accuracy of an architecture's trainings on each episode (S, E)."""
        return self.all_episodes(domain, split, shots)[:, self.index(architecture)]

    def all_episodes(self, domain: str, split: TableSplit = "test", shots: int = 5) -> Floats:
        """Accuracy of all architectures on each episode (S, A, E). UnknownName, InvalidValue."""
        shape = next((shape for shape in self._about(domain).shapes if shape.shots == shots), None)
        if shape is None or split not in SPLITS:
            known = ", ".join(map(str, self.shots(domain)))
            raise InvalidValue(f"{domain} has val and test with {known} shots, got {split} with {shots}")
        return self.right[domain, split, shots] / (shape.ways * shape.queries)

    def by_seed(self, domain: str, split: TableSplit = "test", shots: int | None = None) -> Floats:
        """Accuracy of every training (S, A). domain: or "shared", the mean over all domains.

        shots: None for the mean over the numbers of shots.
        """
        if domain == SHARED:
            return np.mean([self.by_seed(name, split, shots) for name in self.domains], 0)
        chosen = self.shots(domain) if shots is None else (shots,)
        return np.mean([self.all_episodes(domain, split, k).mean(2) for k in chosen], 0)

    def accuracies(self, domain: str, split: TableSplit = "test", shots: int | None = None) -> Floats:
        """Accuracy of every architecture (A,), the mean over seeds; else as `by_seed`."""
        return self.by_seed(domain, split, shots).mean(0)

    def accuracy(
        self,
        architecture: Architecture | str,
        domain: str,
        split: TableSplit = "test",
        shots: int | None = None,
    ) -> float:
        """Accuracy of one architecture, the mean over seeds; else as `by_seed`."""
        return float(self.accuracies(domain, split, shots)[self.index(architecture)])

    def best(self, domain: str, split: TableSplit = "val", shots: int | None = None) -> Architecture:
        """The architecture that is best on a domain ("shared": on the mean over domains).

        On "val" it is an honest choice; on "test" the oracle's.
        """
        return self.architectures[int(self.accuracies(domain, split, shots).argmax())]

    def oracle(self, domain: str, shots: int | None = None) -> float:
        """The best test accuracy of any one architecture, chosen and judged on the same answers."""
        return float(self.accuracies(domain, "test", shots).max())

    def oracle_crossed(self, domain: str, shots: int | None = None) -> float:
        """The oracle without a training's luck: chosen by the other seeds' answers, judged by each seed's.

        Not a number with one seed.
        """
        by_seed = self.by_seed(domain, "test", shots)
        seeds = range(len(by_seed) if len(by_seed) > 1 else 0)
        judged = [by_seed[s, np.delete(by_seed, s, 0).mean(0).argmax()] for s in seeds]
        return float(np.mean(judged)) if judged else float("nan")

    def oracle_per_task(self, domain: str, shots: int) -> float:
        """Mean over test episodes of the best architecture on each: what a perfect choice could reach.

        An architecture's accuracy on an episode is the mean over seeds. It is biased upwards: the more
        architectures, the more luck with the episode's few queries.
        """
        return float(self.all_episodes(domain, "test", shots).mean(0).max(0).mean())

    def mean(self, domain: str, split: TableSplit = "test", shots: int | None = None) -> float:
        """Accuracy of the mean architecture: what a random choice from the list expects."""
        return float(self.accuracies(domain, split, shots).mean())

    def regret(self, architecture: Architecture | str, domain: str, shots: int | None = None) -> float:
        """(oracle - accuracy) / (oracle - mean) on test: 0 is the best architecture, 1 a random one."""
        return float(self.regrets(domain, shots)[self.index(architecture)])

    def regrets(self, domain: str, shots: int | None = None) -> Floats:
        """The regret of every architecture (A,)."""
        accuracies = self.accuracies(domain, "test", shots)
        spread = accuracies.max() - accuracies.mean()
        return (accuracies.max() - accuracies) / spread if spread else np.zeros_like(accuracies)

    def _about(self, domain: str) -> DomainAbout:
        if domain not in self.about.domains:
            raise UnknownName("domain of the table", domain, self.domains)
        return self.about.domains[domain]


def load_table(name: str | Path = "table-v1") -> Table:
    """A table of this package by its name, or the one in a .parquet file.

    UnknownName names the closest one; DataError for a table that was not built, or a file that is damaged or
    newer than this package.
    """
    path = Path(name)
    if path.suffix != ".parquet":
        known = tuple(sorted(p.stem for p in FOLDER.glob("*.parquet")))
        if (FOLDER / f"{name}.yaml").exists() and str(name) not in known:
            raise DataError(
                f"{name} is defined but was not built: `metanas table build {name} --out DIR` "
                f"makes DIR/{name}.parquet, which can be given instead of the name"
            )
        if str(name) not in known:
            raise UnknownName("table", str(name), known)
        path = FOLDER / f"{name}.parquet"
    content = path.read_bytes()
    about, rows = _about(path, content), parse_table(path.name, content, SCHEMA)
    try:
        return _table(about, rows)
    except (LookupError, TypeError, ValueError) as error:
        raise DamagedFile(f"{path}: its rows do not fit its metadata ({error}); build it again") from error


def write(path: Path, about: About, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a table atomically. rows: one for each row of the file, with the columns of SCHEMA."""
    columns = [pa.array([row[f.name] for row in rows], _plain(f.type)).cast(f.type) for f in SCHEMA]
    metadata = {"about": about.model_dump_json()}
    sink = pa.BufferOutputStream()
    table = pa.Table.from_arrays(columns, schema=SCHEMA.with_metadata(metadata))
    pq.write_table(table, sink, compression="zstd", compression_level=19)
    write_atomically(path, sink.getvalue().to_pybytes())


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if isinstance(kind, pa.DictionaryType) else kind


def _about(path: Path, content: bytes) -> About:
    try:
        metadata = pq.read_schema(pa.BufferReader(content)).metadata or {}
        fields = json_text.loads(metadata[b"about"])
        if not isinstance(fields, dict):
            raise ValueError(f"its metadata are {fields!r:.40}")
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise DamagedFile(f"{path} is not a table of architectures: {error}") from error
    if (found := fields.get("schema_version")) != SCHEMA_VERSION:
        raise DataError(f"{path}: schema_version is {found!r}, this metanas reads {SCHEMA_VERSION}")
    try:
        return About.model_validate(fields)
    except (ValidationError, InvalidValue) as error:
        raise DamagedFile(f"{path}: its metadata are damaged: {error}") from error


def _table(about: About, rows: pa.Table) -> Table:
    """The columns as arrays: each row is put where its architecture and seed stand."""
    texts = list(dict.fromkeys(rows.column("architecture").to_pylist()))
    place, seeds = {text: i for i, text in enumerate(texts)}, about.definition.seeds
    plain = rows.to_pydict()
    at = [
        (seeds.index(seed), place[text])
        for seed, text in zip(plain["seed"], plain["architecture"], strict=True)
    ]
    right: dict[tuple[str, str, int], NDArray[np.uint16]] = {}
    episodes, size = about.definition.episodes, (len(seeds), len(texts))
    keys = list(zip(plain["domain"], plain["split"], plain["shots"], strict=True))
    for key, position, answers in zip(keys, at, plain["right"], strict=True):
        if key not in right:
            right[key] = np.zeros((*size, episodes[key[1]]), np.uint16)
        right[key][position] = answers

    def of(name: str, domain: str, kind: type[Any]) -> NDArray[Any]:
        values = np.zeros(size, kind)
        for position, value, found in zip(at, plain[name], plain["domain"], strict=True):
            if found == domain:
                values[position] = value
        return values

    domains = tuple(about.domains)
    return Table(
        about,
        tuple(parse(text, about.definition.search_space) for text in texts),
        right,
        of("parameters", domains[0], np.int64)[0],
        {d: of("macs", d, np.int64)[0] for d in domains},
        {d: of("train_flops", d, np.int64)[0] for d in domains},
        {d: of("seconds", d, np.float32) for d in domains},
        {name: {d: of(name, d, np.float32) for d in domains} for name in PROXIES},
    )
