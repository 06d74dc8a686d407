"""Files of a run that keep right answers beside its predictions: controls.parquet and candidates.parquet.

What they have in common: a part for each task of a seed run, the parts joined to one file of the run, a
version in its metadata, and rows of seed and episode, each once. `controls.py` and `regret.py` say what
else stands in a row.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from metanas.base import json_text
from metanas.evaluation.result import ResultError, Task, parse_table, read_table, write_table


@dataclass(frozen=True)
class Counted:
    """One such kind of file. kind: its name, and that of its version; schema: its columns."""

    kind: str
    schema: pa.Schema
    version: int

    @property
    def file(self) -> str:
        """The name of a run's file."""
        return f"{self.kind}.parquet"

    def path_of(self, folder: Path, task: str) -> Path:
        """Where a seed run keeps the part of a task."""
        return folder / f"{task.replace('/', '-')}.{self.kind}.parquet"

    def write(self, path: Path, tables: Sequence[pa.Table]) -> None:
        """Write tables of the schema as one."""
        whole = pa.concat_tables([self.schema.empty_table(), *tables]).unify_dictionaries().combine_chunks()
        version = json.dumps({"schema_version": self.version})
        write_table(path, whole.replace_schema_metadata({self.kind: version}))

    def join(self, folder: Path, seed_runs: Sequence[Path], tasks: Sequence[str]) -> None:
        """Write a run's file from what is in the folders of its seed runs.

        A task needs its part of every seed; without any such task there is no file.
        """
        found = [
            read_table(self.path_of(seed_run, task), self.schema)
            for task in tasks
            if all(self.path_of(seed_run, task).exists() for seed_run in seed_runs)
            for seed_run in seed_runs
        ]
        if found:
            self.write(folder / self.file, found)

    def table(self, content: bytes) -> pa.Table:
        """The table of a file's content. ResultError for another schema or version."""
        table = parse_table(self.file, content, self.schema).unify_dictionaries().combine_chunks()
        text = (table.schema.metadata or {}).get(self.kind.encode(), b"")
        try:
            version = json_text.loads(text)["schema_version"]
        except (ValueError, TypeError, KeyError):
            version = None
        if version != self.version:
            raise ResultError(f"{self.file}: schema_version: expected {self.version}, got {version!r:.80}")
        return table


def in_order(
    rows: Mapping[str, NDArray[Any]], task: Task, seeds: Sequence[int], where: str
) -> Iterator[NDArray[np.intp]]:
    """For each seed, the numbers (E,) of its rows by episode. ResultError unless each is there once.

    rows: columns seed and episode of one task. where: what the message begins with.
    """
    for seed in seeds:
        mine = np.flatnonzero(rows["seed"] == seed)
        order = mine[np.argsort(rows["episode"][mine], kind="stable")]
        if not np.array_equal(rows["episode"][order], np.arange(task.episodes)):
            raise ResultError(
                f"{where}, seed {seed}: expected each of the episodes 0 to {task.episodes - 1} once"
            )
        yield order


def refuse_strangers(rows: Mapping[str, NDArray[Any]], seeds: Sequence[int], where: str) -> None:
    """ResultError if a row is of a seed that is not one of `seeds`."""
    if strangers := sorted(set(rows["seed"].tolist()) - set(seeds)):
        raise ResultError(f"{where}: seed {strangers[0]} was not asked for")
