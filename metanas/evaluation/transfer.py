"""The transfer matrix, scored from the answers of a study. No torch.

A cell is a meta-training set (row) and a test domain (column): accuracy with its interval, and the paired
difference to in-domain training, the row that was trained on the column's domain alone. The decomposition
says what each half of a trained state is worth by itself on a cell, against `neither` (see transfer.py).

A study is two files: `study.json`, what was done, and `answers.parquet`, the predicted class of every query:
one row per (row, variant, task, seed, episode). Small enough for git: `leaderboard/studies/`.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from metanas.episode import query_labels
from metanas.evaluation.paired import holm
from metanas.evaluation.result import Provenance, ResultError, Sha256, Strict, Task, write_atomically
from metanas.evaluation.stats import Interval, View, difference, estimate

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


class Study(Strict):
    """What a transfer study did."""

    schema_version: Literal[1] = 1
    method: str
    suite: str
    suite_version: str
    budget: dict[str, int | float | str]
    settings: dict[str, Any]
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    rows: tuple[tuple[str, ...], ...]
    tasks: tuple[Task, ...]
    variants: tuple[Variant, ...]
    environment: dict[str, str]
    package_version: str
    provenance: Provenance | None  # None outside a checkout
    answers_sha256: Sha256

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(task.domain for task in self.tasks))


@dataclass(frozen=True)
class Cell:
    """One row and column. p-values are Holm-adjusted over the cells of the matrix."""

    train: str
    test: str
    accuracy: Interval
    difference: Interval | None  # to in-domain training; None on the in-domain row itself
    p: float | None


@dataclass(frozen=True)
class Part:
    """What a variant adds on one cell over `neither`."""

    train: str
    test: str
    variant: Variant
    accuracy: Interval
    gain: Interval
    p: float


@dataclass(frozen=True)
class Matrix:
    """A scored study."""

    study: Study
    cells: tuple[Cell, ...]
    parts: tuple[Part, ...]


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
    sink = pa.BufferOutputStream()
    whole = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    pq.write_table(whole, sink, compression="zstd", compression_level=19)
    content = sink.getvalue().to_pybytes()
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest()


def read(folder: Path) -> Matrix:
    """Score a study's folder. ResultError names the file and field of whatever is wrong."""
    try:
        study = Study.model_validate(json.loads((folder / STUDY).read_bytes()))
    except OSError as error:
        raise ResultError(f"{STUDY}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ResultError(f"{STUDY}: {field}: {first['msg']}, got {first['input']!r:.80}") from error
    except ValueError as error:
        raise ResultError(f"{STUDY}: not JSON: {error}") from error
    views = _views(study, _answers(folder, study))
    return Matrix(study, _cells(study, views), _parts(study, views))


def _cells(study: Study, views: dict[tuple[tuple[str, ...], Variant], View]) -> tuple[Cell, ...]:
    found, compared = [], []
    for row in study.rows:
        for domain in study.domains:
            here = _of(views[row, "both"], domain)
            gap = None
            if row != (domain,):
                gap = difference(here, _of(views[(domain,), "both"], domain))
                compared.append(gap.p())
            found.append((row_name(row), domain, estimate(here).interval(), gap))
    adjusted = iter(holm(compared))
    return tuple(
        Cell(
            train,
            test,
            accuracy,
            None if gap is None else gap.interval(),
            None if gap is None else next(adjusted),
        )
        for train, test, accuracy, gap in found
    )


def _parts(study: Study, views: dict[tuple[tuple[str, ...], Variant], View]) -> tuple[Part, ...]:
    if "neither" not in study.variants:
        return ()
    found = []
    for row in study.rows:
        for domain in study.domains:
            base = _of(views[FRESH, "neither"], domain)
            for variant in study.variants:
                if variant != "neither":
                    here = _of(views[row, variant], domain)
                    found.append(
                        (row_name(row), domain, variant, estimate(here).interval(), difference(here, base))
                    )
    adjusted = holm([gap.p() for *_, gap in found])
    return tuple(
        Part(train, test, variant, accuracy, gap.interval(), p)
        for (train, test, variant, accuracy, gap), p in zip(found, adjusted, strict=True)
    )


def _of(view: View, domain: str) -> View:
    return {task: scores for task, scores in view.items() if task.partition("/")[0] == domain}


def _answers(folder: Path, study: Study) -> pa.Table:
    try:
        content = (folder / ANSWERS).read_bytes()
        rows = pq.read_table(pa.BufferReader(content))
    except (OSError, pa.ArrowException) as error:
        raise ResultError(f"{ANSWERS}: not a readable Parquet file: {error}") from error
    if (found := hashlib.sha256(content).hexdigest()) != study.answers_sha256:
        raise ResultError(f"{ANSWERS}: SHA-256 is {found}, {STUDY} says {study.answers_sha256}")
    if not rows.schema.equals(SCHEMA):
        raise ResultError(f"{ANSWERS}: columns are {rows.schema.names}, expected {SCHEMA.names}")
    return rows


def _views(study: Study, rows: pa.Table) -> dict[tuple[tuple[str, ...], Variant], View]:
    """Accuracies by row and variant. ResultError unless every episode is there exactly once."""
    wanted: list[tuple[tuple[str, ...], Variant]] = [
        (row, v) for row in study.rows for v in study.variants if v != "neither"
    ]
    if "neither" in study.variants:
        wanted.append((FRESH, "neither"))
    views: dict[tuple[tuple[str, ...], Variant], View] = {}
    for row, variant in wanted:
        here = rows.filter((pc.field("row") == row_name(row)) & (pc.field("variant") == variant))
        views[row, variant] = {task.name: _accuracy(study, task, here, row, variant) for task in study.tasks}
    return views


def _accuracy(
    study: Study, task: Task, rows: pa.Table, row: tuple[str, ...], variant: Variant
) -> NDArray[np.float64]:
    """Share of right answers (S, E)."""
    labels = query_labels(task.domain, "test", 0, task.shape, np.arange(task.episodes))
    of_task = rows.filter(pc.field("task") == task.name).sort_by("episode")
    found = []
    for seed in study.seeds:
        here = of_task.filter(pc.field("seed") == seed)
        where = f"{ANSWERS}: {row_name(row)}, {variant}, {task.name}, seed {seed}"
        if not np.array_equal(here.column("episode").to_numpy(), np.arange(task.episodes)):
            raise ResultError(f"{where}: expected each of the episodes 0 to {task.episodes - 1} once")
        lists = here.column("predictions").combine_chunks()
        if (np.diff(lists.offsets.to_numpy()) != labels.shape[1]).any():
            raise ResultError(f"{where}: expected {labels.shape[1]} predictions an episode")
        found.append((lists.flatten().to_numpy().reshape(labels.shape) == labels).mean(1))
    return np.array(found)
