"""A transfer study as it is kept: `study.json`, what was done, and `answers.parquet`, the answers. No torch.

`answers.parquet` holds the predicted class of every query: one row per (row, variant, task, seed, episode).
Its rows are meta-training sets. Small enough for git: `leaderboard/studies/`. `metanas/transfer.py` writes
one, `read` checks one and makes accuracies of its answers, `transfer.py` scores those.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from metanas.episode import query_labels
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
from metanas.evaluation.stats import View

STUDY = "study.json"
ANSWERS = "answers.parquet"
FRESH: tuple[str, ...] = ()  # the row that was trained on nothing; its only variant is `neither`
KEYS = ("row", "variant", "task", "seed", "episode")
SCHEMA = pa.schema(
    [
        *((name, pa.dictionary(pa.int16(), pa.string())) for name in KEYS[:3]),
        ("seed", pa.int16()),
        ("episode", pa.int32()),
        ("predictions", pa.list_(pa.int16())),  # of the episode's queries, in order
    ]
)
Variant = Literal["both", "weights", "arch", "neither"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)
Word = Annotated[str, Field(pattern=r"^[\x20-\x7e]+$", max_length=200)]  # one line, nothing invisible
Key = tuple[tuple[str, ...], Variant]


class Study(Strict):
    """What a transfer study did."""

    schema_version: Literal[1] = 1
    arguments: tuple[Word, ...] = ()  # what stood after `metanas transfer`, but for folders of the machine
    method: str
    suite: str
    suite_version: str
    budget: dict[str, int | float | str]
    settings: dict[str, Any]
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    rows: Annotated[tuple[tuple[str, ...], ...], Field(min_length=1)]
    tasks: Annotated[tuple[Task, ...], Field(min_length=1)]
    variants: tuple[Variant, ...]
    environment: dict[str, str]
    package_version: str
    provenance: Provenance | None  # None outside a checkout
    answers_sha256: Sha256

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(task.domain for task in self.tasks))

    @property
    def wanted(self) -> list[Key]:
        """Every row and variant that was answered."""
        found: list[Key] = [(row, v) for row in self.rows for v in self.variants if v != "neither"]
        return [*found, (FRESH, "neither")] if "neither" in self.variants else found

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """Nothing twice, and what everything is compared with is there."""
        names = [task.name for task in self.tasks]
        for what, values in (
            ("seeds", self.seeds),
            ("rows", self.rows),
            ("variants", self.variants),
            ("tasks", names),
        ):
            if len(set(values)) != len(values):
                twice = next(value for value in values if list(values).count(value) > 1)
                raise ValueError(f"{what}: {twice!r:.80} stands there twice")
        if few := [task.name for task in self.tasks if task.episodes < 2]:
            raise ValueError(f"tasks: {few[0]} has one episode, an interval needs at least 2")
        if "both" not in self.variants:
            raise ValueError("variants: 'both' is missing, which every cell shows")
        if FRESH in self.rows:
            raise ValueError(
                "rows: a row has no domain; what was trained on nothing is the variant 'neither'"
            )
        if missing := [domain for domain in self.domains if (domain,) not in self.rows]:
            raise ValueError(f"rows: {missing[0]!r:.80} is tested on, but no row was trained on it alone")
        return self


@dataclass(frozen=True)
class Answered:
    """A checked study: accuracies (S seeds, E episodes) of every task, by row and variant."""

    study: Study
    views: Mapping[Key, View]


class Kept(NamedTuple):
    """A row's and variant's answers to one task with one seed, as `result.table` makes them."""

    row: str
    variant: Variant
    answers: pa.Table


def row_name(train: Sequence[str]) -> str:
    """digits+langid; fresh, for the row that was not trained."""
    return "+".join(train) or "fresh"


def write_answers(path: Path, kept: Iterable[Kept]) -> str:
    """Write answers.parquet atomically; returns its SHA-256."""
    tables = []
    for row, variant, answers in kept:
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
    """Check a study's folder. ResultError names the file and field of whatever is wrong."""
    return answered(folder, parse(folder))


def parse(folder: Path) -> Study:
    """study.json alone."""
    content = content_of(folder / STUDY)
    try:
        return Study.model_validate(json.loads(content))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        where = f"{field}: {message}, got {first['input']!r:.80}" if field else message
        raise ResultError(f"{STUDY}: {where}") from error
    except ValueError as error:
        raise ResultError(f"{STUDY}: not JSON: {error}") from error


def answered(folder: Path, study: Study) -> Answered:
    """answers.parquet, as study.json describes it."""
    rows = _rows(folder, study)
    labels = {
        task.name: query_labels(task.domain, "test", 0, task.shape, np.arange(task.episodes))
        for task in study.tasks
    }
    views = {
        (row, variant): {
            task: _accuracy(study.seeds, rows, right, row=row_name(row), variant=variant, task=task)
            for task, right in labels.items()
        }
        for row, variant in study.wanted
    }
    return Answered(study, views)


class _Rows(NamedTuple):
    """The R rows of answers.parquet as arrays (a table's own filters import pandas, which takes its time)."""

    keys: Mapping[str, NDArray[Any]]  # by name (R,); texts as their place in `texts`
    texts: Mapping[str, list[str]]
    starts: NDArray[np.int32]  # where each row's predictions begin, and the end (R + 1,)
    predicted: NDArray[np.int16]  # of all rows

    def where(self, **wanted: str | int) -> NDArray[np.int64]:
        """The rows with these keys, by episode."""
        masks = [self.keys[name] == self._number(name, value) for name, value in wanted.items()]
        found = np.flatnonzero(np.logical_and.reduce(masks))
        return found[np.argsort(self.keys["episode"][found], kind="stable")]

    def _number(self, name: str, value: str | int) -> int:
        if isinstance(value, int):
            return value
        return self.texts[name].index(value) if value in self.texts[name] else -1


def _rows(folder: Path, study: Study) -> _Rows:
    content = content_of(folder / ANSWERS)
    table = parse_table(ANSWERS, content, SCHEMA).unify_dictionaries()
    if (found := hashlib.sha256(content).hexdigest()) != study.answers_sha256:
        raise ResultError(f"{ANSWERS}: SHA-256 is {found}, {STUDY} says {study.answers_sha256}")
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
    """Share of right answers (S, E); labels (E, Q). ResultError unless every episode is there just once."""
    episodes, queries = labels.shape
    found = []
    for seed in seeds:
        here = rows.where(**wanted, seed=seed)
        where = f"{ANSWERS}: {', '.join(wanted.values())}, seed {seed}"
        if not np.array_equal(rows.keys["episode"][here], np.arange(episodes)):
            raise ResultError(f"{where}: expected each of the episodes 0 to {episodes - 1} once")
        first = rows.starts[here]
        if (rows.starts[here + 1] - first != queries).any():
            raise ResultError(f"{where}: expected {queries} predictions an episode")
        predicted = rows.predicted[first[:, None] + np.arange(queries)]
        found.append((predicted == labels).mean(1))
    return np.array(found)
