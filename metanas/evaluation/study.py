"""Stored transfer studies: `study.json` (what was done) and `answers.parquet` (the predictions). No torch.

`answers.parquet` has the predicted class of every query, in one row per (row, variant, task, seed, episode),
where a row is a set of meta-training domains. It is small enough for git: `leaderboard/studies/`.
`studies/transfer.py` writes a study, `read` checks one and turns its answers into accuracies, `transfer.py`
scores those.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from metanas.base import json_text
from metanas.base.errors import InvalidValue
from metanas.data.episode import EVALUATION_SEED
from metanas.data.sampler import query_labels
from metanas.evaluation.result import (
    Provenance,
    ResultError,
    Sha256,
    Strict,
    Task,
    content_of,
    parse_table,
    write_table,
)
from metanas.evaluation.statistics import View

STUDY = "study.json"
ANSWERS = "answers.parquet"
FRESH: tuple[str, ...] = ()  # the row of the random initialisation; its only variant is `neither`
KEYS = ("row", "variant", "task", "seed", "episode")
SCHEMA = pa.schema(
    [
        *((name, pa.dictionary(pa.int16(), pa.string())) for name in KEYS[:3]),
        ("seed", pa.int16()),
        ("episode", pa.int32()),
        ("predictions", pa.list_(pa.int16())),  # of the episode's queries, in their order
    ]
)
Variant = Literal["both", "weights", "arch", "decoded", "swap", "neither"]
VARIANTS: tuple[Variant, ...] = ("both", "weights", "decoded", "swap", "neither")  # of a new study
Word = Annotated[str, Field(pattern=r"^[\x20-\x7e]+$", max_length=200)]  # one line, nothing invisible
Key = tuple[tuple[str, ...], Variant]


class Study(Strict):
    """What a transfer study did: the content of study.json."""

    schema_version: Literal[1, 2] = 2  # 1 has the variant `arch`, 2 decoded and swap instead
    arguments: tuple[Word, ...] = ()  # of `metanas transfer`, without folders of the machine
    method: str
    suite: str
    suite_version: str
    budget: dict[str, int | float | str]
    settings: dict[str, Any]
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    rows: Annotated[tuple[tuple[str, ...], ...], Field(min_length=1)]  # sets of meta-training domains
    tasks: Annotated[tuple[Task, ...], Field(min_length=1)]
    test_only: tuple[str, ...] = ()  # test domains without meta-train classes: no row is trained on them
    variants: tuple[Variant, ...]
    environment: dict[str, str]
    package_version: str
    provenance: Provenance | None  # None outside a checkout
    answers_sha256: Sha256

    @property
    def domains(self) -> tuple[str, ...]:
        """The test domains, in the order of the tasks."""
        return tuple(dict.fromkeys(task.domain for task in self.tasks))

    @property
    def wanted(self) -> list[Key]:
        """Every row and variant that the study has answers for."""
        keys: list[Key] = [(row, v) for row in self.rows for v in self.variants if v != "neither"]
        return [*keys, (FRESH, "neither")] if "neither" in self.variants else keys

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """No duplicates, and everything that cells are compared with is there."""
        names = [task.name for task in self.tasks]
        for field, values in (
            ("seeds", self.seeds),
            ("rows", self.rows),
            ("variants", self.variants),
            ("tasks", names),
        ):
            if len(set(values)) != len(values):
                twice = next(value for value in values if list(values).count(value) > 1)
                raise InvalidValue(f"{field}: {twice!r:.80} stands there twice")
        if few := [task.name for task in self.tasks if task.episodes < 2]:
            raise InvalidValue(f"tasks: {few[0]} has one episode, an interval needs at least 2")
        if "both" not in self.variants:
            raise InvalidValue("variants: 'both' is missing, which every cell shows")
        if "swap" in self.variants and "decoded" not in self.variants:
            raise InvalidValue("variants: 'decoded' is missing, which 'swap' is compared with")
        if FRESH in self.rows:
            raise InvalidValue(
                "rows: a row has no domain; what was trained on nothing is the variant 'neither'"
            )
        if wrong := [domain for domain in self.test_only if any(domain in row for row in self.rows)]:
            raise InvalidValue(f"test_only: a row was trained on {wrong[0]!r:.80}")
        compared = [domain for domain in self.domains if domain not in self.test_only]
        if missing := [domain for domain in compared if (domain,) not in self.rows]:
            raise InvalidValue(f"rows: {missing[0]!r:.80} is tested on, but no row was trained on it alone")
        return self


@dataclass(frozen=True)
class Answered:
    """A checked study, and accuracies (S seeds, E episodes) of every task by row and variant."""

    study: Study
    views: Mapping[Key, View]


class Kept(NamedTuple):
    """Answers of one row and variant to one task with one seed; answers: as `result.table` makes them."""

    row: str
    variant: Variant
    answers: pa.Table


def row_name(train: Sequence[str]) -> str:
    """A row's name: digits+langid; "fresh" for the random initialisation."""
    return "+".join(train) or "fresh"


def write_answers(path: Path, parts: Iterable[Kept]) -> str:
    """Write answers.parquet atomically and return its SHA-256."""
    tables = []
    for row, variant, answers in parts:
        rows = answers.sort_by([("episode", "ascending"), ("query", "ascending")])
        episodes, counts = np.unique(rows.column("episode").to_numpy(), return_counts=True)
        size = len(episodes)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        task = rows.column("task").combine_chunks().dictionary_decode()[:size]
        columns = [
            *(pa.array([word] * size).dictionary_encode().cast(SCHEMA.types[0]) for word in (row, variant)),
            task.dictionary_encode().cast(SCHEMA.types[0]),
            rows.column("seed").combine_chunks()[:size],
            pa.array(episodes),
            pa.ListArray.from_arrays(pa.array(offsets), rows.column("prediction").combine_chunks()),
        ]
        tables.append(pa.table(columns, schema=SCHEMA))
    whole = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    return write_table(path, whole, level=19)


def read(folder: Path) -> Answered:
    """The checked study in a folder. ResultError names the file and field of whatever is wrong."""
    return answered(folder, parse(folder))


def parse(folder: Path) -> Study:
    """study.json of a folder, checked. ResultError names the field of whatever is wrong."""
    content = content_of(folder / STUDY)
    try:
        return Study.model_validate(json_text.loads(content))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        where = f"{field}: {message}, got {first['input']!r:.80}" if field else message
        raise ResultError(f"{STUDY}: {where}") from error
    except ValueError as error:
        raise ResultError(f"{STUDY}: not JSON: {error}") from error


def answered(folder: Path, study: Study) -> Answered:
    """Check answers.parquet of a folder against `study` and compute the accuracies. ResultError."""
    rows = _rows(folder, study)
    labels = {
        task.name: query_labels(task.domain, "test", EVALUATION_SEED, task.shape, np.arange(task.episodes))
        for task in study.tasks
    }
    views = {
        (row, variant): {
            task: _accuracy(study.seeds, rows, true, row=row_name(row), variant=variant, task=task)
            for task, true in labels.items()
        }
        for row, variant in study.wanted
    }
    return Answered(study, views)


class _Rows(NamedTuple):
    """The R rows of answers.parquet as arrays (filters of a table import pandas, which is slow)."""

    keys: Mapping[str, NDArray[Any]]  # by name (R,); texts as indices into `texts`
    texts: Mapping[str, list[str]]
    starts: NDArray[np.int32]  # where the predictions of each row begin, and the end (R + 1,)
    predicted: NDArray[np.int16]  # of all rows

    def where(self, **wanted: str | int) -> NDArray[np.int64]:
        """The indices of the rows with these keys, in the order of their episodes."""
        masks = [self.keys[name] == self._number(name, value) for name, value in wanted.items()]
        rows = np.flatnonzero(np.logical_and.reduce(masks))
        return rows[np.argsort(self.keys["episode"][rows], kind="stable")]

    def _number(self, name: str, value: str | int) -> int:
        if isinstance(value, int):
            return value
        return self.texts[name].index(value) if value in self.texts[name] else -1


def _rows(folder: Path, study: Study) -> _Rows:
    content = content_of(folder / ANSWERS)
    table = parse_table(ANSWERS, content, SCHEMA).unify_dictionaries()
    if (sha256 := hashlib.sha256(content).hexdigest()) != study.answers_sha256:
        raise ResultError(f"{ANSWERS}: SHA-256 is {sha256}, {STUDY} says {study.answers_sha256}")
    *columns, lists = (column.combine_chunks() for column in table.columns)
    if any(column.null_count for column in (*columns, lists, lists.values)):
        raise ResultError(f"{ANSWERS}: a value is missing (null)")
    named = dict(zip(KEYS, columns, strict=True))
    texts = {name: named[name].dictionary.to_pylist() for name in KEYS[:3]}
    codes = {name: np.from_dlpack(named[name].indices) for name in texts}
    numbers = {name: np.from_dlpack(named[name]) for name in KEYS[3:]}
    return _Rows({**codes, **numbers}, texts, np.from_dlpack(lists.offsets), np.from_dlpack(lists.values))


def _accuracy(
    seeds: Sequence[int], rows: _Rows, labels: NDArray[np.int64], **wanted: str
) -> NDArray[np.float64]:
    """Accuracy (S, E); labels (E, Q). ResultError unless every episode is there exactly once."""
    episodes, queries = labels.shape
    accuracies = []
    for seed in seeds:
        selected = rows.where(**wanted, seed=seed)
        where = f"{ANSWERS}: {', '.join(wanted.values())}, seed {seed}"
        if not np.array_equal(rows.keys["episode"][selected], np.arange(episodes)):
            raise ResultError(f"{where}: expected each of the episodes 0 to {episodes - 1} once")
        first = rows.starts[selected]
        if (rows.starts[selected + 1] - first != queries).any():
            raise ResultError(f"{where}: expected {queries} predictions an episode")
        predicted = rows.predicted[first[:, None] + np.arange(queries)]
        accuracies.append((predicted == labels).mean(1))
    return np.array(accuracies)
