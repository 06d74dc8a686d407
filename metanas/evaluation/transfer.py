"""The transfer matrix, scored from the answers of a study. No torch.

A cell is a meta-training set (row) and a test domain (column): accuracy with its interval, and the paired
difference to in-domain training, the row that was trained on the column's domain alone. The decomposition
says what each half of a trained state is worth by itself on a cell, against `neither` (see transfer.py).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, ValidationError

from metanas.evaluation.paired import holm
from metanas.evaluation.result import ResultError, Strict, Task, answers_of
from metanas.evaluation.stats import Interval, View, difference, estimate

STUDY = "study.json"
Variant = Literal["both", "weights", "arch", "neither"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)


class Study(Strict):
    """What a transfer study did."""

    schema_version: Literal[1] = 1
    method: str
    suite: str
    suite_version: str
    budget: dict[str, int | float | str]
    settings: dict[str, Any]
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    rows: tuple[tuple[str, ...], ...]
    tasks: tuple[Task, ...]
    variants: tuple[Variant, ...]

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(task.domain for task in self.tasks))


@dataclass(frozen=True)
class Cell:
    """One row and column. p-values are Holm-adjusted over the cells of the matrix."""

    train: str
    test: str
    accuracy: Interval
    difference: Interval | None  # to in-domain training; None on the in-domain row itself
    p: float | None


@dataclass(frozen=True)
class Part:
    """What a variant adds on one cell over `neither`."""

    train: str
    test: str
    variant: Variant
    accuracy: Interval
    gain: Interval
    p: float


@dataclass(frozen=True)
class Matrix:
    """A scored study."""

    study: Study
    cells: tuple[Cell, ...]
    parts: tuple[Part, ...]


def row_name(train: Sequence[str]) -> str:
    """digits+langid"""
    return "+".join(train)


def read(folder: Path) -> Matrix:
    """Score a study's folder. ResultError names the file and field of whatever is wrong."""
    try:
        study = Study.model_validate(json.loads((folder / STUDY).read_bytes()))
    except OSError as error:
        raise ResultError(f"{STUDY}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ResultError(f"{STUDY}: {field}: {first['msg']}, got {first['input']!r:.80}") from error
    except ValueError as error:
        raise ResultError(f"{STUDY}: not JSON: {error}") from error
    views = {
        (row, variant): _view(folder, study, row, variant) for row in study.rows for variant in study.variants
    }
    return Matrix(study, _cells(study, views), _parts(study, views))


def _cells(study: Study, views: dict[tuple[tuple[str, ...], Variant], View]) -> tuple[Cell, ...]:
    found, compared = [], []
    for row in study.rows:
        for domain in study.domains:
            here = _of(views[row, "both"], domain)
            gap = None
            if row != (domain,):
                gap = difference(here, _of(views[(domain,), "both"], domain))
                compared.append(gap.p())
            found.append((row_name(row), domain, estimate(here).interval(), gap))
    adjusted = iter(holm(compared))
    return tuple(
        Cell(
            train,
            test,
            accuracy,
            None if gap is None else gap.interval(),
            None if gap is None else next(adjusted),
        )
        for train, test, accuracy, gap in found
    )


def _parts(study: Study, views: dict[tuple[tuple[str, ...], Variant], View]) -> tuple[Part, ...]:
    if "neither" not in study.variants:
        return ()
    found = []
    for row in study.rows:
        for domain in study.domains:
            base = _of(views[row, "neither"], domain)
            for variant in study.variants:
                if variant != "neither":
                    here = _of(views[row, variant], domain)
                    found.append(
                        (row_name(row), domain, variant, estimate(here).interval(), difference(here, base))
                    )
    adjusted = holm([gap.p() for *_, gap in found])
    return tuple(
        Part(train, test, variant, accuracy, gap.interval(), p)
        for (train, test, variant, accuracy, gap), p in zip(found, adjusted, strict=True)
    )


def _of(view: View, domain: str) -> View:
    return {task: scores for task, scores in view.items() if task.partition("/")[0] == domain}


def _view(folder: Path, study: Study, row: tuple[str, ...], variant: Variant) -> View:
    tables = []
    for seed in study.seeds:
        for task in study.tasks:
            path = (
                folder
                / "cells"
                / row_name(row)
                / f"seed{seed}"
                / variant
                / f"{task.name.replace('/', '-')}.parquet"
            )
            try:
                tables.append(pq.read_table(path))
            except (OSError, pa.ArrowException) as error:
                raise ResultError(
                    f"{path.relative_to(folder)}: not a readable Parquet file: {error}"
                ) from error
    found = answers_of(study.tasks, study.seeds, pa.concat_tables(tables).unify_dictionaries())
    return {name: a.accuracy for name, a in found.items()}
