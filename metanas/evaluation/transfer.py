"""The transfer matrix: scores of a transfer study, computed from its answers (`study.py`). No torch.

A cell is a set of meta-training domains (row) and a test domain (column): accuracy with its interval, and the
paired difference to in-domain training, that is, to the row meta-trained on the column's domain alone; a
domain of test classes alone has no such row. The decomposition says what a meta-trained state is worth: the
gain over `neither`, a random initialisation, of the state and of its weights alone, and the swap test, the
accuracy under the architectures that it adapts to a domain minus that under another domain's
(`studies/transfer.py`).
"""

from dataclasses import dataclass
from pathlib import Path

from metanas.evaluation import study as studies
from metanas.evaluation.paired import holm
from metanas.evaluation.statistics import (
    Estimate,
    Interval,
    View,
    difference,
    difference_within,
    domain_of,
    estimate,
)
from metanas.evaluation.study import FRESH, Answered, Study, Variant, row_name

SWAP: tuple[Variant, Variant] = ("decoded", "swap")


@dataclass(frozen=True)
class Cell:
    """One row and column of the matrix. p is Holm-adjusted over all cells."""

    train: str
    test: str
    accuracy: Interval
    difference: Interval | None  # to in-domain training; None for that row, and for a test-only domain
    p: float | None


@dataclass(frozen=True)
class Part:
    """The gain of a variant over `neither` on one cell. p is Holm-adjusted over all parts.

    Of variant `swap`: the accuracy of `decoded`, and its gain over `swap`.
    """

    train: str
    test: str
    variant: Variant
    accuracy: Interval
    gain: Interval
    p: float


@dataclass(frozen=True)
class Matrix:
    """A scored study; parts is empty if it has neither variant `neither` nor `swap`."""

    study: Study
    cells: tuple[Cell, ...]
    parts: tuple[Part, ...]


def read(folder: Path) -> Matrix:
    """Score the study in a folder. ResultError names the file and field of whatever is wrong."""
    return score(studies.read(folder))


def score(answered: Answered) -> Matrix:
    """All cells and parts of a study."""
    return Matrix(answered.study, _cells(answered), _parts(answered))


def _cells(answered: Answered) -> tuple[Cell, ...]:
    study, views = answered.study, answered.views
    cells, p_values = [], []
    for row in study.rows:
        for domain in study.domains:
            view = _of(views[row, "both"], domain)
            gap = None
            if row != (domain,) and (domain,) in study.rows:
                gap = difference(view, _of(views[(domain,), "both"], domain))
                p_values.append(gap.p())
            cells.append((row_name(row), domain, estimate(view).interval(), gap))
    adjusted = iter(holm(p_values))
    return tuple(
        Cell(
            train,
            test,
            accuracy,
            None if gap is None else gap.interval(),
            None if gap is None else next(adjusted),
        )
        for train, test, accuracy, gap in cells
    )


def _parts(answered: Answered) -> tuple[Part, ...]:
    study, views = answered.study, answered.views
    halves = [v for v in study.variants if v in ("both", "weights", "arch") and "neither" in study.variants]
    parts: list[tuple[str, str, Variant, Interval, Estimate]] = []
    for row in study.rows:
        for domain in study.domains:
            for variant in halves:
                view = _of(views[row, variant], domain)
                gain = difference(view, _of(views[FRESH, "neither"], domain))
                parts.append((row_name(row), domain, variant, estimate(view).interval(), gain))
            if "swap" in study.variants:
                own, other = (_of(views[row, variant], domain) for variant in SWAP)
                gain = difference_within(own, other)
                parts.append((row_name(row), domain, "swap", estimate(own).interval(), gain))
    adjusted = holm([gap.p() for *_, gap in parts])
    return tuple(
        Part(train, test, variant, accuracy, gap.interval(), p)
        for (train, test, variant, accuracy, gap), p in zip(parts, adjusted, strict=True)
    )


def _of(view: View, domain: str) -> View:
    """The tasks of one domain."""
    return {task: scores for task, scores in view.items() if domain_of(task) == domain}
