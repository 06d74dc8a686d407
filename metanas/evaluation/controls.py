"""Controls of the architecture: how many answers the same trained weights get right under another one.

On the test episodes of a run, with its weights, the same number of adaptation steps and a given architecture:
decoded: the adapted one, of every mixture the strongest candidate alone; shared: the method's for all
domains; domain: its own for this domain before it saw a task; random: one drawn for the episode; swap:
another domain's, the most frequent decoded one there. `engine/controls.py` computes them. `keep` writes the
counts per task of a seed run, `join` collects them in controls.parquet of the run. What follows from them is
`gains.py`. Reading needs no torch.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from metanas.base import json_text
from metanas.evaluation.result import ResultError, Task, content_of, parse_table, read_table, write_table
from metanas.evaluation.statistics import View

CONTROLS = "controls.parquet"
NAMES = ("decoded", "shared", "domain", "random", "swap")
VERSION = 1
SCHEMA = pa.schema(
    [
        ("task", pa.dictionary(pa.int16(), pa.string())),
        ("control", pa.dictionary(pa.int16(), pa.string())),
        ("seed", pa.int16()),
        ("episode", pa.int32()),
        ("right", pa.uint16()),  # answers, of the episode's ways * queries
    ]
)


def keep(folder: Path, task: str, seed: int, right: Mapping[str, NDArray[np.integer[Any]]]) -> None:
    """Write the right answers (E,) of a task of a seed run, by control."""
    tables = [
        pa.table(
            [
                pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(counts), np.int16)), [task]),
                pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(counts), np.int16)), [control]),
                pa.array(np.full(len(counts), seed, np.int16)),
                pa.array(np.arange(len(counts), dtype=np.int32)),
                pa.array(counts.astype(np.uint16)),
            ],
            schema=SCHEMA,
        )
        for control, counts in right.items()
    ]
    write_table(path_of(folder, task), _versioned(tables))


def join(folder: Path, seed_runs: Sequence[Path], tasks: Sequence[str]) -> None:
    """Write controls.parquet of a run from what is in the folders of its seed runs.

    A task needs its controls of every seed; without any such task there is no file.
    """
    found = [
        read_table(path_of(seed_run, task), SCHEMA)
        for task in tasks
        if all(path_of(seed_run, task).exists() for seed_run in seed_runs)
        for seed_run in seed_runs
    ]
    if found:
        write_table(folder / CONTROLS, _versioned(found))


def path_of(folder: Path, task: str) -> Path:
    """Where a seed run keeps the controls of a task."""
    return folder / f"{task.replace('/', '-')}.controls.parquet"


def read(folder: Path, tasks: Sequence[Task], seeds: Sequence[int]) -> dict[str, View]:
    """Accuracies (S seeds, E episodes) by control and task; empty if the run has no controls.

    ResultError for a damaged file, and unless every control has all episodes of its tasks exactly once.
    """
    path = folder / CONTROLS
    return parse(content_of(path), tasks, seeds) if path.exists() else {}


def parse(content: bytes, tasks: Sequence[Task], seeds: Sequence[int]) -> dict[str, View]:
    """The same as `read`, from the content of controls.parquet."""
    table = parse_table(CONTROLS, content, SCHEMA).unify_dictionaries().combine_chunks()
    _check_version(table)
    if any(column.null_count for column in table.columns):
        raise ResultError(f"{CONTROLS}: a value is missing (null)")
    known = {task.name: task for task in tasks}
    codes = {}
    for name, allowed in (("task", tuple(known)), ("control", NAMES)):
        column = table.column(name).combine_chunks()
        words = column.dictionary.to_pylist()
        if unknown := [word for word in words if word not in allowed]:
            raise ResultError(f"{CONTROLS}: {name}: {unknown[0]!r:.80} is not one of {', '.join(allowed)}")
        codes[name] = np.array([allowed.index(word) for word in words], np.int64)[
            column.indices.to_numpy(zero_copy_only=False)
        ]
    numbers = {name: table.column(name).to_numpy().astype(np.int64) for name in SCHEMA.names[2:]}
    views: dict[str, dict[str, NDArray[np.float64]]] = {}
    for i, control in enumerate(NAMES):
        for j, task in enumerate(tasks):
            rows = (codes["control"] == i) & (codes["task"] == j)
            if rows.any():
                of_task = {name: values[rows] for name, values in numbers.items()}
                views.setdefault(control, {})[task.name] = _accuracy(of_task, control, task, seeds)
    return dict(views)


def _accuracy(
    rows: Mapping[str, NDArray[np.int64]], control: str, task: Task, seeds: Sequence[int]
) -> NDArray[np.float64]:
    """(S, E) of one control and task."""
    where, queries = f"{CONTROLS}: {control}, {task.name}", task.ways * task.queries
    if rows["right"].max() > queries:
        raise ResultError(f"{where}: {rows['right'].max()} right answers of {queries}")
    result = np.empty((len(seeds), task.episodes))
    for i, seed in enumerate(seeds):
        mine = rows["seed"] == seed
        order = np.argsort(rows["episode"][mine], kind="stable")
        if not np.array_equal(rows["episode"][mine][order], np.arange(task.episodes)):
            raise ResultError(
                f"{where}, seed {seed}: expected each of the episodes 0 to {task.episodes - 1} once"
            )
        result[i] = rows["right"][mine][order] / queries
    if strangers := sorted(set(rows["seed"].tolist()) - set(seeds)):
        raise ResultError(f"{where}: seed {strangers[0]} was not asked for")
    return result


def _versioned(tables: Sequence[pa.Table]) -> pa.Table:
    empty = SCHEMA.empty_table()
    whole = pa.concat_tables([empty, *tables]).unify_dictionaries().combine_chunks()
    return whole.replace_schema_metadata({"controls": json.dumps({"schema_version": VERSION})})


def _check_version(table: pa.Table) -> None:
    text = (table.schema.metadata or {}).get(b"controls", b"")
    try:
        version = json_text.loads(text)["schema_version"]
    except (ValueError, TypeError, KeyError):
        version = None
    if version != VERSION:
        raise ResultError(f"{CONTROLS}: schema_version: expected {VERSION}, got {version!r:.80}")
