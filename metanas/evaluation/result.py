"""What a run leaves behind: `submission.json` (what was done) and `predictions.parquet` (every answer).

Scores are never stored as truth: `read` checks the files and recomputes the labels of the pinned
episodes (`episode.query_labels`), so every number can be made again from the predictions. Comes after
evaluate.py, before stats.py and the leaderboard. No torch here.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from metanas.disk import write_atomically
from metanas.episode import EpisodeShape, query_labels

PREDICTIONS = "predictions.parquet"
SUBMISSION = "submission.json"
NEWEST = 2  # schema version
SCHEMA = pa.schema(
    [
        ("task", pa.dictionary(pa.int16(), pa.string())),
        ("seed", pa.int16()),
        ("episode", pa.int32()),
        ("query", pa.int16()),
        ("prediction", pa.int16()),
        ("probabilities", pa.list_(pa.float16())),
    ]
)
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]


class ResultError(ValueError):
    """A result is not what it should be; the message names the file and the field."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Task(Strict):
    """One pinned problem set: all episodes of one domain at one shape."""

    domain: str
    ways: Annotated[int, Field(ge=2, le=1000)]
    shots: Annotated[int, Field(ge=1)]
    queries: Annotated[int, Field(ge=1)]
    episodes: Annotated[int, Field(ge=1, le=100_000)]
    manifest: Sha256  # of the index lists
    fingerprint: Sha256  # of the data
    sample: bool  # a part of the data set: never ranked with the full set
    synthetic: bool

    @property
    def shape(self) -> EpisodeShape:
        return EpisodeShape(self.ways, self.shots, self.queries)

    @property
    def name(self) -> str:
        """digits/5w1s"""
        return f"{self.domain}/{self.ways}w{self.shots}s"


class Costs(Strict):
    """Measured, not typed. Seconds mean little without the hardware in `environment`.

    Means over seeds (parameters and bytes: the largest). None: from before it was measured (version 1).
    """

    train_seconds: Annotated[float, Field(ge=0)]
    evaluate_seconds: Annotated[float, Field(ge=0)]
    parameters: Count
    peak_bytes: Count
    train_flops: Count | None = None  # of the whole meta-training
    adapt_flops: Count | None = None  # of adapting to one task, mean over the tasks
    predict_macs: Count | None = None  # multiply-accumulates for one query with an adapted network
    trials: Count | None = None  # declared: settings that were tried before these


class Provenance(Strict):
    """The code that ran: a git commit, and whether files differed from it."""

    commit: Annotated[str, Field(pattern="^[0-9a-f]{40}$")]
    dirty: bool


class Submission(Strict):
    """All of a run but its predictions. Every version since 1 is read for ever (tests/results)."""

    schema_version: Literal[1, 2] = 2
    method: Annotated[str, Field(min_length=1, max_length=64)]
    settings: dict[str, Any]
    transductive: bool
    suite: str
    suite_version: str
    budget: dict[str, int | float | str]
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    tasks: Annotated[tuple[Task, ...], Field(min_length=1)]
    costs: Costs
    environment: dict[str, str]
    package_version: str
    provenance: Provenance | None = None  # None outside a checkout, and in version 1
    created: datetime
    predictions_sha256: Sha256


@dataclass(frozen=True)
class Answers:
    """Predictions on one task, over seeds S, episodes E and queries Q, with the recomputed labels."""

    task: Task
    predicted: NDArray[np.int64]  # (S, E, Q)
    probabilities: NDArray[np.float32]  # (S, E, Q, ways)
    labels: NDArray[np.int64]  # (E, Q)

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """Share of right answers per seed and episode (S, E)."""
        return (self.predicted == self.labels).mean(2)


class Result(NamedTuple):
    """A checked run."""

    submission: Submission
    answers: Mapping[str, Answers]  # by task name


def table(task: str, seed: int, first: int, probabilities: NDArray[np.floating[Any]]) -> pa.Table:
    """Rows for the answers to episodes first, first + 1, ...; probabilities (E, Q, ways).

    The prediction is the most probable class at the precision that is stored, so both always agree.
    """
    episodes, queries, ways = probabilities.shape
    stored = probabilities.astype(np.float16)
    flat = pa.array(stored.reshape(-1))
    rows = episodes * queries
    episode = np.repeat(np.arange(first, first + episodes, dtype=np.int32), queries)
    columns = [
        pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int16)), [task]),
        pa.array(np.full(rows, seed, np.int16)),
        pa.array(episode),
        pa.array(np.tile(np.arange(queries, dtype=np.int16), episodes)),
        pa.array(stored.argmax(-1).astype(np.int16).reshape(-1)),
        pa.ListArray.from_arrays(pa.array(np.arange(rows + 1, dtype=np.int32) * ways), flat),
    ]
    return pa.table(columns, schema=SCHEMA)


def write_table(path: Path, rows: pa.Table, level: int | None = None) -> str:
    """Write a Parquet file atomically; returns its SHA-256. level: of the compression."""
    sink = pa.BufferOutputStream()
    pq.write_table(rows.unify_dictionaries(), sink, compression="zstd", compression_level=level)
    content = sink.getvalue().to_pybytes()
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest()


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """A Parquet file's rows. ResultError unless it has just these columns."""
    return parse_table(path.name, content_of(path), schema)


def parse_table(file: str, content: bytes, schema: pa.Schema) -> pa.Table:
    """The same from a file's content.

    In this thread alone: `pq.read_table` leaves threads behind that let go of `content` when they like, and
    one that does so while Python ends aborts the process (apache/arrow, issue 34314).
    """
    try:
        rows = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise ResultError(f"{file}: not a readable Parquet file: {error}") from error
    if not rows.schema.equals(schema):
        raise ResultError(f"{file}: columns are {_columns(rows.schema)}, expected {_columns(schema)}")
    return rows


def write(folder: Path, submission: Submission) -> None:
    """Write submission.json; its presence is what makes a run folder a finished result."""
    text = submission.model_dump_json(indent=1) + "\n"
    write_atomically(folder / SUBMISSION, text.encode())


def read(folder: Path) -> Result:
    """A checked result. ResultError names the file and field of whatever is wrong."""
    return check(content_of(folder / SUBMISSION), content_of(folder / PREDICTIONS))


def read_submission(path: Path) -> Submission:
    """Parse and check submission.json."""
    return parse(content_of(path))


def check(document: bytes, predictions: bytes, *, episodes: int = 0) -> Result:
    """The same from the content of submission.json and predictions.parquet.

    episodes: the seed of the test episodes, 0 for the pinned ones (see `metanas.sealed` for others).
    """
    submission = parse(document)
    found = hashlib.sha256(predictions).hexdigest()
    if found != submission.predictions_sha256:
        raise ResultError(
            f"{PREDICTIONS}: SHA-256 is {found}, {SUBMISSION} says {submission.predictions_sha256}"
        )
    rows = parse_table(PREDICTIONS, predictions, SCHEMA)
    return Result(submission, answers_of(submission.tasks, submission.seeds, rows, episodes))


def parse(document: bytes) -> Submission:
    """submission.json as a value."""
    try:
        content = json.loads(document)
    except ValueError as error:
        raise ResultError(f"{SUBMISSION}: not JSON: {error}") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > NEWEST:
        raise ResultError(
            f"{SUBMISSION}: schema_version: {version} is newer than this metanas, which reads 1 to {NEWEST}"
        )
    try:
        return Submission.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ResultError(f"{SUBMISSION}: {field}: {first['msg']}, got {first['input']!r:.80}") from error


def content_of(path: Path) -> bytes:
    """A file's bytes. ResultError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ResultError(f"{path.name}: cannot be read: {error.strerror}") from error


def answers_of(
    tasks: Sequence[Task], seeds: tuple[int, ...], rows: pa.Table, episodes: int = 0
) -> dict[str, Answers]:
    """Predictions by task, checked. Every (task, seed, episode, query) must be there exactly once."""
    by_task = rows.column("task").combine_chunks()
    if isinstance(by_task, pa.ChunkedArray):
        by_task = by_task.unify_dictionaries().combine_chunks()
    names, codes = by_task.dictionary.to_pylist(), by_task.indices.to_numpy(zero_copy_only=False)
    expected = [task.name for task in tasks]
    if unknown := sorted(set(names) - set(expected)):
        raise ResultError(f"{PREDICTIONS}: task: {unknown[0]!r} is not in {SUBMISSION}")
    return {
        task.name: _one(task, seeds, rows.filter(pa.array(codes == _code(names, task.name))), episodes)
        for task in tasks
    }


def _code(names: list[str], name: str) -> int:
    if name not in names:
        raise ResultError(f"{PREDICTIONS}: task: nothing for {name!r}")
    return names.index(name)


def _one(task: Task, seeds: tuple[int, ...], rows: pa.Table, episodes: int) -> Answers:
    queries = task.ways * task.queries
    shape = (len(seeds), task.episodes, queries)
    keys = {name: rows.column(name).to_numpy() for name in ("seed", "episode", "query")}
    order = {seed: i for i, seed in enumerate(seeds)}
    seed = np.array([order.get(int(s), -1) for s in np.unique(keys["seed"])])
    seed = seed[np.unique(keys["seed"], return_inverse=True)[1]] if len(rows) else seed.astype(int)
    place = [seed, keys["episode"].astype(np.int64), keys["query"].astype(np.int64)]
    for name, values, limit in zip(("seed", "episode", "query"), place, shape, strict=True):
        wrong = (values < 0) | (values >= limit)
        if wrong.any():
            value = keys[name][wrong][0]
            raise ResultError(f"{PREDICTIONS}: {task.name}: {name} {value} was not asked for")
    at = np.ravel_multi_index(tuple(place), shape)
    times = np.bincount(at, minlength=int(np.prod(shape)))
    if (times != 1).any():
        raise ResultError(f"{PREDICTIONS}: {task.name}: {_wrong_keys(times.reshape(shape), seeds)}")
    predicted, probabilities = np.empty(len(at), np.int64), _probabilities(task, rows)
    predicted[at] = rows.column("prediction").to_numpy()
    if predicted.min() < 0 or predicted.max() >= task.ways:
        raise ResultError(f"{PREDICTIONS}: {task.name}: prediction outside 0..{task.ways - 1}")
    ordered = np.empty_like(probabilities)
    ordered[at] = probabilities
    labels = query_labels(task.domain, "test", episodes, task.shape, np.arange(task.episodes))
    return Answers(task, predicted.reshape(shape), ordered.reshape(*shape, task.ways), labels)


def _probabilities(task: Task, rows: pa.Table) -> NDArray[np.float32]:
    column = rows.column("probabilities").combine_chunks()
    lists = column if isinstance(column, pa.ListArray) else pa.concat_arrays(column.chunks)
    if (np.diff(lists.offsets.to_numpy()) != task.ways).any():
        raise ResultError(f"{PREDICTIONS}: {task.name}: probabilities: expected {task.ways} per query")
    values = lists.flatten().to_numpy(zero_copy_only=False).astype(np.float32).reshape(-1, task.ways)
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise ResultError(f"{PREDICTIONS}: {task.name}: probabilities: negative or not finite")
    off = np.abs(values.sum(1) - 1)
    if len(off) and off.max() > 0.01:
        row = int(off.argmax())
        raise ResultError(
            f"{PREDICTIONS}: {task.name}: probabilities: row {row} sums to {values[row].sum():.4f}"
        )
    return values


def _wrong_keys(times: NDArray[np.int64], seeds: tuple[int, ...]) -> str:
    wrong = np.argwhere(times != 1)
    shown = ", ".join(
        f"seed {seeds[s]} episode {e} query {q} {'missing' if times[s, e, q] == 0 else 'twice'}"
        for s, e, q in wrong[:20].tolist()
    )
    return f"{len(wrong)} keys missing or repeated: {shown}"


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name}: {field.type}" for field in schema)
