"""Adaptation curves (curves.parquet): accuracy by number of adaptation steps, per episode. No torch."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from metanas.evaluation.result import ResultError, parse_table
from metanas.evaluation.statistics import Floats, Interval, estimate

CURVES = "curves.parquet"
STEPS = (0, 1, 2, 5, 10, 20)  # of adaptation
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
    """The seeds and the episode numbers of a grid, sorted."""

    seeds: tuple[int, ...]
    episodes: tuple[int, ...]


class Grid(NamedTuple):
    """Accuracies of one task after one number of steps (S, E), and what its rows and columns are."""

    accuracy: Floats
    axes: Axes


class Point(NamedTuple):
    """A task's accuracy after `steps` adaptation steps."""

    task: str
    steps: int
    accuracy: Interval


def read(folder: Path) -> list[Point]:
    """The curve of a run; empty if it has none. ResultError names what is wrong with the file."""
    path = folder / CURVES
    return points(path.read_bytes()) if path.exists() else []


def points(content: bytes) -> list[Point]:
    """The same as `read`, from the content of the file."""
    return [
        Point(task, steps, estimate({task: grid}).interval())
        for (task, steps), (grid, _) in grids(content).items()
    ]


def grids(content: bytes) -> dict[tuple[str, int], Grid]:
    """Accuracies by (task, steps), in the file's order. ResultError names what is wrong with the file."""
    table = parse_table(CURVES, content, SCHEMA)
    column = {name: table.column(name).to_numpy() for name in SCHEMA.names}
    if not ((column["accuracy"] >= 0) & (column["accuracy"] <= 1)).all():
        raise ResultError(f"{CURVES}: accuracy: not between 0 and 1")
    names, task = np.unique(column["task"].astype(str), return_inverse=True)
    steps = column["steps"].astype(np.int64)
    _, first, which = np.unique(task * 2**16 + steps, return_index=True, return_inverse=True)
    by_key = {}
    for key in np.argsort(first):
        name, count = str(names[task[first[key]]]), int(steps[first[key]])
        rows = which == key
        seeds, seed = np.unique(column["seed"][rows], return_inverse=True)
        episodes, episode = np.unique(column["episode"][rows], return_inverse=True)
        occurrences = np.bincount(seed * len(episodes) + episode, minlength=len(seeds) * len(episodes))
        if count < 0 or (occurrences != 1).any():
            raise ResultError(f"{CURVES}: {name}: {count} steps: not every seed has every episode once")
        grid = np.empty((len(seeds), len(episodes)))
        grid[seed, episode] = column["accuracy"][rows]
        by_key[name, count] = Grid(grid, Axes(tuple(seeds.tolist()), tuple(episodes.tolist())))
    return by_key
