"""Stored results of a run: `submission.json` (what was done) and `predictions.parquet` (every prediction).

Scores are not stored: `read` checks the files and recomputes the labels of the pinned episodes
(`sampler.query_labels`), so every score follows from the predictions. Written by the engine
(`engine/predict.py`, `engine/collect.py`); `scores.py` and the leaderboard come after. No torch here.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from metanas.base import json_text
from metanas.base.atomic import write_atomically
from metanas.base.errors import MetanasError
from metanas.data.episode import EVALUATION_SEED, EpisodeShape, Ints
from metanas.data.sampler import query_labels, ways_of

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


class ResultError(MetanasError, ValueError):
    """A stored result is not valid; the message names the file and the field."""

    exit_code = 3


class Strict(BaseModel):
    """Base class of stored documents: frozen, and an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _printable(name: str) -> str:
    if not name.isprintable():
        raise ValueError("must have no control characters")
    return name


class Task(Strict):
    """The pinned episodes of one domain in one shape."""

    domain: str
    ways: Annotated[int, Field(ge=2, le=1000)]
    shots: Annotated[int, Field(ge=1)]
    queries: Annotated[int, Field(ge=1)]
    episodes: Annotated[int, Field(ge=1, le=100_000)]
    manifest: Sha256  # of the episodes' index lists
    fingerprint: Sha256  # of the data
    sample: bool  # only a part of the data set: never ranked with the full set
    synthetic: bool
    fewest_ways: Annotated[int, Field(ge=2)] | None = (
        None  # ways of an episode are drawn from these to `ways`
    )

    @model_serializer(mode="wrap")
    def _without_what_is_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Results of equal ways keep their form."""
        fields: dict[str, Any] = handler(self)
        return {key: value for key, value in fields.items() if value is not None}

    @model_validator(mode="after")
    def _fewer(self) -> "Task":
        if self.fewest_ways is not None and self.fewest_ways >= self.ways:
            raise ValueError(f"fewest_ways must be less than ways, which is {self.ways}")
        return self

    @property
    def shape(self) -> EpisodeShape:
        """Ways, shots and queries of every episode."""
        return EpisodeShape(self.ways, self.shots, self.queries, self.fewest_ways or 0)

    @property
    def name(self) -> str:
        """The task's name: digits/5w1s."""
        return f"{self.domain}/{self.shape.name}"

    @property
    def chance(self) -> float:
        """The mean over the pinned episodes of the accuracy of guessing."""
        if self.fewest_ways is None:
            return 1 / self.ways
        return float((1 / self.ways_each).mean())

    @property
    def ways_each(self) -> Ints:
        """The ways of each pinned episode (E,)."""
        return ways_of(self.domain, "test", EVALUATION_SEED, self.shape, np.arange(self.episodes))


class Costs(Strict):
    """Measured costs; seconds depend on the hardware in `Submission.environment`.

    Means over seeds (parameters and bytes: maxima). None: not measured yet in schema version 1.
    """

    train_seconds: Annotated[float, Field(ge=0)]
    evaluate_seconds: Annotated[float, Field(ge=0)]
    parameters: Count
    peak_bytes: Count
    train_flops: Count | None = None  # of the whole meta-training
    select_flops: Count | None = None  # of choosing on meta-validation tasks afterwards; None: nothing chosen
    adapt_flops: Count | None = None  # of adapting to one task, mean over the tasks
    predict_macs: Count | None = None  # multiply-accumulates for one query with an adapted network
    trials: Count | None = None  # declared by the entrant: settings that were tried before these


class Provenance(Strict):
    """The code that ran: a git commit, and whether files differed from it (dirty)."""

    commit: Annotated[str, Field(pattern="^[0-9a-f]{40}$")]
    dirty: bool


class MetaTraining(Strict):
    """What a run was meta-trained on. After `metanas evaluate` that is not what it was tested on."""

    suite: str  # as `Suite.label`
    suite_version: str
    changes: dict[str, str] = {}  # what was changed of the suite (`Suite.changes`)
    domains: tuple[str, ...]  # with meta-train classes; () for a method that meta-trains nothing
    left_out: tuple[str, ...] = ()  # tested domains that have meta-train classes, too
    shots: tuple[int, ...]  # of meta-training tasks


class Submission(Strict):
    """The content of submission.json. All schema versions since 1 stay readable (tests/results)."""

    schema_version: Literal[1, 2] = 2
    method: Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_printable)]
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
    meta_training: MetaTraining | None = None  # None in results of earlier versions

    @model_serializer(mode="wrap")
    def _as_it_was_stored(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Results of earlier versions keep their form."""
        fields: dict[str, Any] = handler(self)
        return {key: value for key, value in fields.items() if key != "meta_training" or value is not None}


@dataclass(frozen=True)
class Answers:
    """Predictions on one task for S seeds, E episodes and Q queries, with the recomputed labels."""

    task: Task
    predicted: NDArray[np.int64]  # (S, E, Q)
    probabilities: NDArray[np.float32]  # (S, E, Q, ways)
    labels: NDArray[np.int64]  # (E, Q)

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """Accuracy of each seed and episode (S, E)."""
        return (self.predicted == self.labels).mean(2)


class Result(NamedTuple):
    """A checked submission and its predictions."""

    submission: Submission
    answers: Mapping[str, Answers]  # by task name


def table(task: str, seed: int, first: int, probabilities: NDArray[np.floating[Any]]) -> pa.Table:
    """Rows of predictions.parquet for episodes first, first + 1, ...; probabilities: (E, Q, ways).

    The prediction is the most probable class after rounding to float16, so the stored values agree.
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


def write_table(path: Path, rows: pa.Table, level: int | None = None, *, seconds: float | None = None) -> str:
    """Write a Parquet file atomically and return its SHA-256.

    level: of the zstd compression. seconds: that making the rows took, kept in the file (`seconds_of`).
    """
    sink = pa.BufferOutputStream()
    if seconds is not None:
        rows = rows.replace_schema_metadata({**(rows.schema.metadata or {}), "seconds": repr(seconds)})
    pq.write_table(rows.unify_dictionaries(), sink, compression="zstd", compression_level=level)
    content = sink.getvalue().to_pybytes()
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest()


def seconds_of(path: Path) -> float:
    """What `write_table` kept in a Parquet file; 0 for a file of an earlier version."""
    try:
        about = pq.read_schema(pa.BufferReader(content_of(path))).metadata or {}
        return float(about.get(b"seconds", 0))
    except (pa.ArrowException, ValueError) as error:
        raise ResultError(
            f"{path} is damaged ({error}); delete it, and the same command makes it again"
        ) from error


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """The rows of a Parquet file. ResultError unless it has exactly the columns of `schema`."""
    try:
        return parse_table(str(path), content_of(path), schema)
    except ResultError as error:
        if path.parent.name.startswith("seed"):  # a piece of a run
            raise ResultError(f"{error}; delete it, and the same command makes it again") from error
        raise


def parse_table(file: str, content: bytes, schema: pa.Schema) -> pa.Table:
    """The same as `read_table`, from the content of a file; file: its name in messages.

    Uses this thread only: threads of `pq.read_table` may release `content` late, and one that does so while
    Python exits aborts the process (apache/arrow, issue 34314).
    """
    try:
        rows = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise ResultError(f"{file}: not a readable Parquet file: {error}") from error
    if not rows.schema.equals(schema):
        raise ResultError(f"{file}: columns are {_columns(rows.schema)}, expected {_columns(schema)}")
    about = dict(rows.schema.metadata or {})
    about.pop(b"seconds", None)  # of this file; tables that are made of it have their own
    return rows.replace_schema_metadata(about or None)


def write(folder: Path, submission: Submission) -> None:
    """Write submission.json, atomically. A run folder that has it is a finished result."""
    text = submission.model_dump_json(indent=1) + "\n"
    write_atomically(folder / SUBMISSION, text.encode())


def read(folder: Path) -> Result:
    """The checked result in a run folder. ResultError names the file and field of whatever is wrong."""
    return check(content_of(folder / SUBMISSION), content_of(folder / PREDICTIONS))


def read_submission(path: Path) -> Submission:
    """Read and check a submission.json. ResultError names the field of whatever is wrong."""
    return parse(content_of(path))


def check(document: bytes, predictions: bytes, *, evaluation_seed: int = EVALUATION_SEED) -> Result:
    """The same as `read`, from the content of submission.json and predictions.parquet.

    evaluation_seed: of the test episodes; sealed ones (`data/sealed.py`) have another than the pinned ones.
    """
    submission = parse(document)
    sha256 = hashlib.sha256(predictions).hexdigest()
    if sha256 != submission.predictions_sha256:
        raise ResultError(
            f"{PREDICTIONS}: SHA-256 is {sha256}, {SUBMISSION} says {submission.predictions_sha256}"
        )
    rows = parse_table(PREDICTIONS, predictions, SCHEMA)
    return Result(submission, answers_of(submission.tasks, submission.seeds, rows, evaluation_seed))


def parse(document: bytes) -> Submission:
    """The content of submission.json, checked. ResultError names the field of whatever is wrong."""
    try:
        content = json_text.loads(document)
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
        raise ResultError(f"{path.name}: cannot be read in {path.parent}: {error.strerror}") from error


def answers_of(
    tasks: Sequence[Task], seeds: tuple[int, ...], rows: pa.Table, evaluation_seed: int = EVALUATION_SEED
) -> dict[str, Answers]:
    """Predictions by task name; ResultError unless every (task, seed, episode, query) is there once."""
    by_task = rows.column("task").combine_chunks()
    if isinstance(by_task, pa.ChunkedArray):
        by_task = by_task.unify_dictionaries().combine_chunks()
    names, codes = by_task.dictionary.to_pylist(), by_task.indices.to_numpy(zero_copy_only=False)
    expected = [task.name for task in tasks]
    if unknown := sorted(set(names) - set(expected)):
        raise ResultError(f"{PREDICTIONS}: task: {unknown[0]!r} is not in {SUBMISSION}")
    return {
        task.name: _answers(
            task, seeds, rows.filter(pa.array(codes == _code(names, task.name))), evaluation_seed
        )
        for task in tasks
    }


def _code(names: list[str], name: str) -> int:
    if name not in names:
        raise ResultError(f"{PREDICTIONS}: task: nothing for {name!r}")
    return names.index(name)


def _answers(task: Task, seeds: tuple[int, ...], rows: pa.Table, evaluation_seed: int) -> Answers:
    """The rows of one task, checked and in order."""
    queries = task.ways * task.queries
    shape = (len(seeds), task.episodes, queries)
    keys = {name: rows.column(name).to_numpy() for name in ("seed", "episode", "query")}
    number = {seed: i for i, seed in enumerate(seeds)}
    seed = np.array([number.get(int(s), -1) for s in np.unique(keys["seed"])])
    seed = seed[np.unique(keys["seed"], return_inverse=True)[1]] if len(rows) else seed.astype(int)
    indices = [seed, keys["episode"].astype(np.int64), keys["query"].astype(np.int64)]
    for name, values, limit in zip(("seed", "episode", "query"), indices, shape, strict=True):
        wrong = (values < 0) | (values >= limit)
        if wrong.any():
            value = keys[name][wrong][0]
            raise ResultError(f"{PREDICTIONS}: {task.name}: {name} {value} was not asked for")
    target = np.ravel_multi_index(tuple(indices), shape)  # the place of each row
    occurrences = np.bincount(target, minlength=int(np.prod(shape)))
    if (occurrences != 1).any():
        raise ResultError(f"{PREDICTIONS}: {task.name}: {_wrong_keys(occurrences.reshape(shape), seeds)}")
    predicted, probabilities = np.empty(len(target), np.int64), _probabilities(task, rows)
    predicted[target] = rows.column("prediction").to_numpy()
    if predicted.min() < 0 or predicted.max() >= task.ways:
        raise ResultError(f"{PREDICTIONS}: {task.name}: prediction outside 0..{task.ways - 1}")
    ordered = np.empty_like(probabilities)
    ordered[target] = probabilities
    labels = query_labels(task.domain, "test", evaluation_seed, task.shape, np.arange(task.episodes))
    found = Answers(task, predicted.reshape(shape), ordered.reshape(*shape, task.ways), labels)
    if task.fewest_ways is not None:
        _check_drawn_ways(found, evaluation_seed)
    return found


def _check_drawn_ways(answers: Answers, evaluation_seed: int) -> None:
    """ResultError for an answer, or any probability, that is of a class that its episode does not have."""
    task, ways = answers.task, answers.task.ways_each[:, None]
    if evaluation_seed != EVALUATION_SEED:
        raise ResultError(f"{SUBMISSION}: {task.name}: fewest_ways: ways are drawn in pinned episodes alone")
    missing = np.arange(task.ways) >= ways  # (E, ways)
    given = answers.probabilities.any((0, 2))
    if (answers.predicted >= ways).any() or (given & missing).any():
        raise ResultError(f"{PREDICTIONS}: {task.name}: an answer is a class that its episode does not have")


def _probabilities(task: Task, rows: pa.Table) -> NDArray[np.float32]:
    """(rows, ways), checked: not negative, finite, and every row sums to 1."""
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


def _wrong_keys(occurrences: NDArray[np.int64], seeds: tuple[int, ...]) -> str:
    """A message on the keys that do not occur exactly once; occurrences: (S, E, Q)."""
    wrong = np.argwhere(occurrences != 1)
    shown = ", ".join(
        f"seed {seeds[s]} episode {e} query {q} {'missing' if occurrences[s, e, q] == 0 else 'twice'}"
        for s, e, q in wrong[:20].tolist()
    )
    return f"{len(wrong)} keys missing or repeated: {shown}"


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name}: {field.type}" for field in schema)
