"""The transfer matrix: how a method meta-trained on some domains does on each test domain.

Rows are the sets of domains that published runs of a method were meta-trained on, columns the test
domains; all runs of one suite and budget, since they answered the same pinned episodes. Off the diagonal a
cell shows the paired difference to training on that domain alone, where such a run is published.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from leaderboard.standing import Standing
from leaderboard.web import links
from leaderboard.web.query import Query
from leaderboard.web.render import View
from leaderboard.web.site import Site
from leaderboard.web.views.ranked import of_track
from metanas.evaluation import stats
from metanas.evaluation.charts.heatmap import Cell, heatmap
from metanas.evaluation.paired import LEVEL, holm
from metanas.evaluation.result import Submission, Task

MOST = 8  # methods with a matrix on one page


class Matrix(NamedTuple):
    """One method's cells, row by row."""

    method: str
    trains: tuple[str, ...]
    tests: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]


def page(site: Site, query: Query, track: str) -> View:
    """A matrix for each method that was meta-trained on more than one set of domains."""
    board = site.board(track)
    family = _family(board.lines[0].standing.document)
    runs = [
        line.standing
        for slug in site.tracks
        for line in site.board(slug).lines
        if _family(line.standing.document) == family
    ]
    methods = list(dict.fromkeys(run.method for run in runs))
    found = [matrix(name, [run for run in runs if run.method == name]) for name in methods]
    shown = [m for m in found if len(m.trains) > 1][:MOST]
    pictures = {
        f"transfer-{links.slug(m.method)}": heatmap(f"Transfer of {m.method}", list(m.cells.values()))
        for m in shown
    }
    return View("transfer.html", {**of_track(site, board, "transfer.html"), "matrices": shown}, pictures)


def trained_on(document: Submission) -> tuple[str, ...]:
    """The domains a run was meta-trained on: those of its suite."""
    return tuple(dict.fromkeys(task.domain for task in document.tasks))


def matrix(method: str, runs: Sequence[Standing]) -> Matrix:
    """The cells of one method; p-values are Holm-adjusted over all of its cells."""
    by_train = {trained_on(run.document): run for run in runs}
    trains = sorted(by_train, key=lambda names: (len(names), names))
    tests = sorted({task.domain for run in runs for task in run.document.tasks})
    drafts: list[tuple[str, str, stats.Interval, stats.Estimate | None]] = []
    for train in trains:
        for test in tests:
            view = _on(by_train[train], test)
            if not view:
                continue
            alone = by_train.get((test,))
            gap = None
            if alone is not None and train != (test,) and _same(by_train[train], alone, test):
                gap = stats.difference(view, _on(alone, test))
            drafts.append((_name(train), test, stats.estimate(view).interval(), gap))
    adjusted = iter(holm([gap.p() for *_, gap in drafts if gap is not None]))
    cells = {}
    for row, test, interval, gap in drafts:
        low, mean, high = (100 * v for v in (interval.low, interval.mean, interval.high))
        difference = None if gap is None else 100 * gap.mean
        significant = gap is not None and next(adjusted) < LEVEL
        cells[row, test] = Cell(row, test, mean, low, high, difference, significant)
    return Matrix(method, tuple(map(_name, trains)), tuple(tests), cells)


def _family(document: Submission) -> tuple[str, str, str]:
    return document.suite, document.suite_version, str(document.budget["name"])


def _name(train: Sequence[str]) -> str:
    return " + ".join(train)


def _on(run: Standing, domain: str) -> dict[str, stats.Floats]:
    return {task: a for task, a in run.accuracies.items() if stats.domain_of(task) == domain}


def _same(a: Standing, b: Standing, domain: str) -> bool:
    """Whether both answered the same episodes of the same data."""

    def pinned(run: Standing) -> list[tuple[str, str, str]]:
        tasks: list[Task] = [task for task in run.document.tasks if task.domain == domain]
        return sorted((task.name, task.manifest, task.fingerprint) for task in tasks)

    return pinned(a) == pinned(b)


def paths(site: Site) -> Iterable[str]:
    return [links.board(track, "transfer.html") for track in site.tracks.values()]
