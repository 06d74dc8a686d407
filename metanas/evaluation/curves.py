"""curves.parquet: accuracy after so many steps of adaptation, per episode. No torch."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from metanas.evaluation.result import ResultError, parse_table
from metanas.evaluation.stats import Floats, Interval, estimate

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


class Axes(NamedTuple):
    """The seeds and the episodes of a grid, sorted."""

    seeds: tuple[int, ...]
    episodes: tuple[int, ...]


class Grid(NamedTuple):
    """Accuracies after some steps (S, E)."""

    accuracy: Floats
    axes: Axes


class Point(NamedTuple):
    """A task's accuracy after `steps` steps."""

    task: str
    steps: int
    accuracy: Interval


def read(folder: Path) -> list[Point]:
    """The curve of a run; empty if it has none. ResultError names what is wrong with the file."""
    path = folder / CURVES
    return points(path.read_bytes()) if path.exists() else []


def points(content: bytes) -> list[Point]:
    """The same from the file's content."""
    return [
        Point(task, steps, estimate({task: grid}).interval())
        for (task, steps), (grid, _) in grids(content).items()
    ]


def grids(content: bytes) -> dict[tuple[str, int], Grid]:
    """By task and number of steps, in the file's order. ResultError names what is wrong with the file."""
    table = parse_table(CURVES, content, SCHEMA)
    column = {name: table.column(name).to_numpy() for name in SCHEMA.names}
    if not ((column["accuracy"] >= 0) & (column["accuracy"] <= 1)).all():
        raise ResultError(f"{CURVES}: accuracy: not between 0 and 1")
    names, task = np.unique(column["task"].astype(str), return_inverse=True)
    steps = column["steps"].astype(np.int64)
    _, first, which = np.unique(task * 2**16 + steps, return_index=True, return_inverse=True)
    found = {}
    for place in np.argsort(first):
        name, count = str(names[task[first[place]]]), int(steps[first[place]])
        rows = which == place
        seeds, seed = np.unique(column["seed"][rows], return_inverse=True)
        episodes, episode = np.unique(column["episode"][rows], return_inverse=True)
        times = np.bincount(seed * len(episodes) + episode, minlength=len(seeds) * len(episodes))
        if count < 0 or (times != 1).any():
            raise ResultError(f"{CURVES}: {name}: {count} steps: not every seed has every episode once")
        grid = np.empty((len(seeds), len(episodes)))
        grid[seed, episode] = column["accuracy"][rows]
        found[name, count] = Grid(grid, Axes(tuple(seeds.tolist()), tuple(episodes.tolist())))
    return found
