"""The transfer matrix, scored from the answers of a study (`study.py`). No torch.

A cell is a meta-training set (row) and a test domain (column): accuracy with its interval, and the paired
difference to in-domain training, the row that was trained on the column's domain alone. The decomposition
says what each half of a trained state is worth by itself on a cell, against `neither` (metanas/transfer.py).
"""

from dataclasses import dataclass
from pathlib import Path

from metanas.evaluation import study as studies
from metanas.evaluation.paired import holm
from metanas.evaluation.stats import Interval, View, difference, domain_of, estimate
from metanas.evaluation.study import FRESH, Answered, Study, Variant, row_name


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


def read(folder: Path) -> Matrix:
    """Score a study's folder. ResultError names the file and field of whatever is wrong."""
    return score(studies.read(folder))


def score(answered: Answered) -> Matrix:
    """All cells and parts of a study."""
    return Matrix(answered.study, _cells(answered), _parts(answered))


def _cells(answered: Answered) -> tuple[Cell, ...]:
    study, views = answered.study, answered.views
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


def _parts(answered: Answered) -> tuple[Part, ...]:
    study, views = answered.study, answered.views
    if "neither" not in study.variants:
        return ()
    found = []
    for row in study.rows:
        for domain in study.domains:
            base = _of(views[FRESH, "neither"], domain)
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
    return {task: scores for task, scores in view.items() if domain_of(task) == domain}
