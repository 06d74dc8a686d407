"""The page of one task of a track: its data and pinned test episodes, the best methods, the record over time.

It also shows how hard the episodes are: how many have which accuracy, averaged over all methods.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from leaderboard.ranking.board import Board, Line
from leaderboard.ranking.standing import Standing
from leaderboard.web import links
from leaderboard.web.query import Query
from leaderboard.web.render import Missing, View
from leaderboard.web.site import Site
from leaderboard.web.views.menu import track_values
from metanas.data import manifest
from metanas.evaluation.result import Task

BEST = 20  # methods in the table


class Record(NamedTuple):
    """A submission whose accuracy on a task was higher than that of all earlier ones."""

    standing: Standing
    accuracy: float


class Bin(NamedTuple):
    """The number of episodes with an accuracy, averaged over methods and seeds, in [low, high)."""

    low: float
    high: float
    episodes: int


def page(site: Site, query: Query, track: str, name: str) -> View:
    """The page of a task by its slug. Missing if it is not on the track."""
    board = site.board(track)
    task = next((task for task in board.tasks if links.slug(task.name) == name), None)
    if task is None:
        raise Missing(f"no task {name!r} on {track}")
    lines = sorted(board.lines, key=lambda line: -line.tasks[task.name].mean)
    return View(
        "task.html",
        {
            **track_values(site, board, "index.html"),
            "task": task,
            "repeats": _repeats(board, task),
            "lines": lines[:BEST],
            "records": _records(site, board, task.name),
            "spread": _histogram(lines, task.name),
        },
    )


def _repeats(board: Board, task: Task) -> str:
    """Queries of the suite's pinned episodes that also stand in their support set or in meta-train."""
    suite = board.lines[0].standing.document.suite
    return manifest.pinned_repeats(suite, task.domain, task.fingerprint).get(str(task.shape), "")


def _records(site: Site, board: Board, task: str) -> list[Record]:
    """The best scores on a task over time, oldest first."""
    ordered = sorted(site.published(board.track), key=lambda s: (s.accepted, s.id))
    records: list[Record] = []
    for standing in ordered:
        if task not in standing.accuracies:
            continue
        accuracy = float(standing.accuracies[task].mean())
        if not records or accuracy > records[-1].accuracy:
            records.append(Record(standing, accuracy))
    return records


def _histogram(lines: Sequence[Line], task: str) -> list[Bin]:
    """Ten bins of accuracy from 0 to 1; the last one includes 1."""
    means = sum(line.standing.accuracies[task].mean(0) for line in lines) / len(lines)  # (E,)
    edges = [i / 10 for i in range(11)]
    counts = [0] * 10
    for accuracy in means.tolist():
        counts[min(int(accuracy * 10), 9)] += 1
    return [Bin(low, high, n) for low, high, n in zip(edges[:-1], edges[1:], counts, strict=True)]


def paths(site: Site) -> Iterable[str]:
    """Every task of every track."""
    for slug, track in site.tracks.items():
        for task in site.board(slug).tasks:
            yield links.task(track, task.name)
