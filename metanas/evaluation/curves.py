"""curves.parquet: accuracy after so many steps of adaptation, per episode. No torch."""

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from metanas.evaluation.result import ResultError
from metanas.evaluation.stats import Interval, View, estimate

CURVES = "curves.parquet"
STEPS = (0, 1, 2, 5, 10, 20)
SCHEMA = pa.schema(
    [
        ("task", pa.string()),
        ("seed", pa.int16()),
        ("episode", pa.int32()),
        ("steps", pa.int16()),
        ("accuracy", pa.float64()),
    ]
)


class Point(NamedTuple):
    """A task's accuracy after `steps` steps."""

    task: str
    steps: int
    accuracy: Interval


def read(folder: Path) -> list[Point]:
    """The curve of a run; empty if it has none. ResultError names what is wrong with the file."""
    path = folder / CURVES
    if not path.exists():
        return []
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise ResultError(f"{CURVES}: not a readable Parquet file: {error}") from error
    if not table.schema.equals(SCHEMA):
        raise ResultError(f"{CURVES}: columns are {table.schema.names}, expected {SCHEMA.names}")
    rows = table.to_pandas()
    points = []
    for (task, steps), group in rows.groupby(["task", "steps"], sort=False):
        if group.duplicated(["seed", "episode"]).any():
            raise ResultError(f"{CURVES}: {task}: {steps} steps: an episode is there twice")
        grid = group.pivot(index="seed", columns="episode", values="accuracy")
        if grid.isna().to_numpy().any():
            raise ResultError(f"{CURVES}: {task}: {steps} steps: not every seed has every episode")
        view: View = {task: grid.to_numpy()}
        points.append(Point(task, int(steps), estimate(view).interval()))
    return points
