"""Controls of the architecture: how many answers the same trained weights get right under another one.

On the test episodes of a run, with its weights, the same number of adaptation steps and a given architecture:
decoded: the adapted one, of every mixture the strongest candidate alone; shared: the method's for all
domains; domain: its own for this domain before it saw a task; random: one drawn for the episode; swap:
another domain's, the most frequent decoded one there. `engine/controls.py` computes them. `keep` writes the
counts per task of a seed run, `join` collects them in controls.parquet of the run. What follows from them is
`gains.py`. Reading needs no torch.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from metanas.evaluation.counted import Counted, in_order, refuse_strangers
from metanas.evaluation.result import ResultError, Task, content_of
from metanas.evaluation.statistics import View

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
FILE = Counted("controls", SCHEMA, VERSION)
CONTROLS, path_of, join = FILE.file, FILE.path_of, FILE.join


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
    FILE.write(path_of(folder, task), tables)


def read(folder: Path, tasks: Sequence[Task], seeds: Sequence[int]) -> dict[str, View]:
    """Accuracies (S seeds, E episodes) by control and task; empty if the run has no controls.

    ResultError for a damaged file, and unless every control has all episodes of its tasks exactly once.
    """
    path = folder / CONTROLS
    return parse(content_of(path), tasks, seeds) if path.exists() else {}


def parse(content: bytes, tasks: Sequence[Task], seeds: Sequence[int]) -> dict[str, View]:
    """The same as `read`, from the content of controls.parquet."""
    table = FILE.table(content)
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
    orders = in_order(rows, task, seeds, where)
    result = np.stack([rows["right"][order] / queries for order in orders])
    refuse_strangers(rows, seeds, where)
    return result
