"""Files beside a result (choices, curves) that are damaged or foreign are named, not half-read."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metanas.evaluation import choices, curves
from metanas.evaluation.result import ResultError


def curve(rows: int) -> pa.Table:
    columns = [["a/5w1s"] * rows, [0] * rows, list(range(rows)), [1] * rows, [0.5] * rows]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, curves.SCHEMA, strict=True)], curves.SCHEMA)


def chosen(values: list[list[float]]) -> pa.Table:
    columns = [["a/5w1s"] * len(values), [0] * len(values), list(range(len(values))), values]
    made = [pa.array(c, f.type) for c, f in zip(columns, choices.SCHEMA, strict=True)]
    return pa.table(made, schema=choices.SCHEMA)


@pytest.mark.parametrize(
    ("name", "table", "read", "message"),
    [
        ("curves.parquet", curve(2).append_column("x", [[1, 2]]), curves.read, "curves.parquet: columns are"),
        (
            "curves.parquet",
            pa.concat_tables([curve(2), curve(2)]),
            curves.read,
            "a/5w1s: 1 steps: not every seed has every episode once",
        ),
        ("choices.parquet", curve(2), choices.read, "choices.parquet: columns are"),
        (
            "choices.parquet",
            chosen([[0.5, 0.5], [1.0]]),
            choices.read,
            "choices.parquet: choices: cannot reshape",
        ),
    ],
)
def test_a_foreign_table_is_named(
    name: str, table: pa.Table, read: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    pq.write_table(table, tmp_path / name)
    with pytest.raises(ResultError, match=message):
        read(tmp_path)


@pytest.mark.parametrize(
    ("name", "read"), [("curves.parquet", curves.read), ("choices.parquet", choices.read)]
)
def test_a_truncated_table_is_named(name: str, read: Callable[[Path], object], tmp_path: Path) -> None:
    pq.write_table(curve(50), tmp_path / name)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:100])
    with pytest.raises(ResultError, match=f"{name}: not a readable Parquet file"):
        read(tmp_path)
