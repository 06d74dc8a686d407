"""One task of a track: its data, its pinned episodes, who does best on it, and since when."""

from collections.abc import Iterable
from typing import NamedTuple

from leaderboard.board import Board, Line
from leaderboard.standing import Standing
from leaderboard.web import links
from leaderboard.web.query import Query
from leaderboard.web.render import Missing, View
from leaderboard.web.site import Site
from leaderboard.web.views.ranked import of_track

BEST = 20  # methods in the table


class Record(NamedTuple):
    """A submission that was better on a task than all before it."""

    standing: Standing
    accuracy: float


class Spread(NamedTuple):
    """How many episodes have an accuracy, averaged over methods, from `low` to `high`."""

    low: float
    high: float
    episodes: int


def page(site: Site, query: Query, track: str, name: str) -> View:
    """The task with that slug. Missing if the track has none."""
    board = site.board(track)
    found = [task for task in board.tasks if links.slug(task.name) == name]
    if not found:
        raise Missing(f"no task {name!r} on {track}")
    task = found[0]
    lines = sorted(board.lines, key=lambda line: -line.tasks[task.name].mean)
    return View(
        "task.html",
        {
            **of_track(site, board, "index.html"),
            "task": task,
            "lines": lines[:BEST],
            "records": records(site, board, task.name),
            "spread": spread(lines, task.name),
        },
    )


def records(site: Site, board: Board, task: str) -> list[Record]:
    """The history of the best score on a task, oldest first."""
    known = {s.id: s for line in board.lines for s in site.source.history(line.method)}
    ordered = sorted((s for s in known.values() if s.track == board.track), key=lambda s: (s.accepted, s.id))
    found: list[Record] = []
    for standing in ordered:
        if task not in standing.accuracies:
            continue
        accuracy = float(standing.accuracies[task].mean())
        if not found or accuracy > found[-1].accuracy:
            found.append(Record(standing, accuracy))
    return found


def spread(lines: Iterable[Line], task: str) -> list[Spread]:
    """The distribution of difficulty: episodes by their accuracy averaged over all methods."""
    total = sum(line.standing.accuracies[task].mean(0) for line in lines) / len(list(lines))
    edges = [i / 10 for i in range(11)]
    counts = [0] * 10
    for value in total.tolist():
        counts[min(int(value * 10), 9)] += 1
    return [Spread(low, high, n) for low, high, n in zip(edges[:-1], edges[1:], counts, strict=True)]


def paths(site: Site) -> Iterable[str]:
    for slug, track in site.tracks.items():
        for task in site.board(slug).tasks:
            yield links.task(track, task.name)
