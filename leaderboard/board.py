"""Rank what is stored: one board per track, rows by mean accuracy, rank ranges from paired tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leaderboard import standing
from leaderboard.standing import Standing
from leaderboard.store.store import Store
from metanas.evaluation.ranking import Ranked, rank
from metanas.evaluation.result import Task
from metanas.evaluation.stats import Interval, difference, estimate


@dataclass(frozen=True)
class Line:
    """One method on a board."""

    place: Ranked
    standing: Standing
    tasks: Mapping[str, Interval]  # by task name

    @property
    def ranks(self) -> str:
        """1, or 2-3 where the data cannot tell."""
        first, last = self.place.first, self.place.last
        return str(first) if first == last else f"{first}\u2013{last}"


@dataclass(frozen=True)
class Board:
    """One track: methods that answered the same episodes of the same data under the same budget."""

    track: str
    tasks: tuple[Task, ...]
    lines: tuple[Line, ...]
    against_scratch: Mapping[str, Mapping[str, float]]  # method -> domain -> p of a paired test

    @property
    def slug(self) -> str:
        """The track as a file name."""
        words = "".join(c if c.isalnum() else " " for c in self.track.lower()).split()
        return "-".join(words)


def boards(store: Store) -> list[Board]:
    """All boards, by track."""
    return [_board(track, standing.current(store, track)) for track in standing.tracks(store)]


def _board(track: str, rows: Sequence[Standing]) -> Board:
    by_method = {row.method: row for row in rows}
    scores = {row.method: row.accuracies for row in rows}
    lines = [
        Line(
            place,
            by_method[place.name],
            {task: estimate({task: array}).interval() for task, array in scores[place.name].items()},
        )
        for place in rank(scores)
    ]
    return Board(track, lines[0].standing.tasks, tuple(lines), _against(scores, "scratch"))


def _against(
    scores: Mapping[str, Mapping[str, NDArray[np.float64]]], control: str
) -> dict[str, dict[str, float]]:
    """Paired p-value of every method against the control, per domain (all its shots together)."""
    if control not in scores:
        return {}
    domains = sorted({task.partition("/")[0] for task in scores[control]})

    def of(method: str, domain: str) -> dict[str, NDArray[np.float64]]:
        return {t: a for t, a in scores[method].items() if t.partition("/")[0] == domain}

    return {
        method: {domain: difference(of(method, domain), of(control, domain)).p() for domain in domains}
        for method in scores
        if method != control
    }
