"""Regret: how much better the best candidate in hindsight is than the chosen one. Torch-free.

A method that chooses among a list of candidates (`Method.candidate_archs`) can be asked for its answers under
each of them, with the same weights, on the same test episodes (`metanas run --regret`;
`engine/candidates.py`). `keep` writes their counts of right answers per task of a seed run, `join` collects
them in candidates.parquet of the run, beside controls.parquet. Two regrets follow, both minus the answers
themselves (`gains.py`):

- regret: of the one candidate that is best on a task's episodes, by their labels. Named by half of the
  episodes and scored on the other half (`best_of_half`), since the best of many on the episodes that name
  it is partly lucky. Negative where choosing anew for every episode beats any one candidate.
- oracle: of the best candidate of every single episode, or the chosen one (`of_every_episode`). Never
  negative, and too high: the most of K noisy counts is lucky even where all K are equally good. A bound.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from metanas.evaluation.counted import Counted, in_order, refuse_strangers
from metanas.evaluation.result import ResultError, Task, content_of
from metanas.evaluation.statistics import Floats

VERSION = 1
MOST = 4096  # candidates of a task
SCHEMA = pa.schema(
    [
        ("task", pa.dictionary(pa.int16(), pa.string())),
        ("seed", pa.int16()),
        ("episode", pa.int32()),
        ("right", pa.list_(pa.uint16())),  # answers, by candidate, of the episode's ways * queries
    ]
)
FILE = Counted("candidates", SCHEMA, VERSION)
CANDIDATES, path_of, join = FILE.file, FILE.path_of, FILE.join


def in_hindsight(candidates: Floats) -> Floats:
    """Accuracies (S, E) of the best candidate of each seed (`best_of_half`); candidates: (K, S, E)."""
    return np.take_along_axis(candidates, best_of_half(candidates)[None], 0)[0]


def best_of_half(candidates: Floats) -> NDArray[np.int64]:
    """The best candidate's number (S, E) by accuracies (K, S, E): one a seed and half of the episodes.

    The best one on the odd episodes is for the even ones, and the reverse, so that no episode has a say in
    the choice that it scores. It is the best of half as many episodes: too low rather than too high.
    """
    found = np.empty(candidates.shape[1:], np.int64)
    for half in (0, 1):
        means = candidates[:, :, 1 - half :: 2].mean(-1).round(12)  # equal counts are equal
        found[:, half::2] = means.argmax(0)[:, None]  # of equals the first
    return found


def of_every_episode(candidates: Floats, own: Floats) -> Floats:
    """Accuracies (S, E) of the best of candidates (K, S, E) and the answers `own` (S, E), each episode."""
    best: Floats = np.maximum(candidates.max(0), own)
    return best


def keep(folder: Path, task: str, seed: int, right: NDArray[np.integer[Any]]) -> None:
    """Write the right answers (K, E) of a task of a seed run under each of its K candidates."""
    episodes = right.shape[1]
    table = pa.table(
        [
            pa.DictionaryArray.from_arrays(pa.array(np.zeros(episodes, np.int16)), [task]),
            pa.array(np.full(episodes, seed, np.int16)),
            pa.array(np.arange(episodes, dtype=np.int32)),
            pa.array(list(right.T.astype(np.uint16)), pa.list_(pa.uint16())),
        ],
        schema=SCHEMA,
    )
    FILE.write(path_of(folder, task), [table])


def read(folder: Path, tasks: Sequence[Task], seeds: Sequence[int]) -> dict[str, Floats]:
    """Accuracies (K candidates, S seeds, E episodes) by task; empty if the run was not asked for them.

    ResultError for a damaged file, and unless every candidate has all episodes of its tasks exactly once.
    """
    path = folder / CANDIDATES
    return parse(content_of(path), tasks, seeds) if path.exists() else {}


def parse(content: bytes, tasks: Sequence[Task], seeds: Sequence[int]) -> dict[str, Floats]:
    """The same as `read`, from the content of candidates.parquet."""
    table = FILE.table(content)
    columns = {name: _whole(table.column(name)) for name in SCHEMA.names}
    right = columns["right"]
    if any(column.null_count for column in (*columns.values(), right.values)):
        raise ResultError(f"{CANDIDATES}: a value is missing (null)")
    known = {task.name: task for task in tasks}
    words = columns["task"].dictionary.to_pylist()
    if unknown := [word for word in words if word not in known]:
        raise ResultError(f"{CANDIDATES}: task: {unknown[0]!r:.80} is not one of {', '.join(known)}")
    codes = columns["task"].indices.to_numpy(zero_copy_only=False)
    numbers = {name: columns[name].to_numpy(zero_copy_only=False) for name in ("seed", "episode")}
    found = {}
    for task in tasks:
        rows = np.flatnonzero(codes == words.index(task.name)) if task.name in words else np.zeros(0, int)
        if len(rows):
            mine = {name: values[rows] for name, values in numbers.items()}
            found[task.name] = _accuracies(_counts(right.take(pa.array(rows)), task), mine, task, seeds)
    return found


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array."""
    return pa.concat_arrays(column.chunks) if column.num_chunks else column.combine_chunks()


def _counts(right: pa.Array, task: Task) -> NDArray[np.int64]:
    """The right answers (n, K) of a task's rows."""
    lengths = np.unique(right.value_lengths().to_numpy(zero_copy_only=False))
    if len(lengths) != 1 or not 1 <= lengths[0] <= MOST:
        raise ResultError(
            f"{CANDIDATES}: {task.name}: right: {', '.join(map(str, lengths[:5]))} candidates; all episodes "
            f"of a task have equally many, 1 to {MOST}"
        )
    counts: NDArray[np.int64] = right.flatten().to_numpy(zero_copy_only=False).astype(np.int64)
    if counts.max() > (queries := task.ways * task.queries):
        raise ResultError(f"{CANDIDATES}: {task.name}: {counts.max()} right answers of {queries}")
    return counts.reshape(len(right), -1)


def _accuracies(
    counts: NDArray[np.int64], rows: Mapping[str, NDArray[Any]], task: Task, seeds: Sequence[int]
) -> Floats:
    """(K, S, E) of counts (n, K) in rows of these seeds and episodes."""
    where, queries = f"{CANDIDATES}: {task.name}", task.ways * task.queries
    refuse_strangers(rows, seeds, where)
    return np.stack([counts[order].T / queries for order in in_order(rows, task, seeds, where)], 1)
