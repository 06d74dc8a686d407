"""All about one method on a track: scores, architectures, adaptation, costs, where it comes from."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from leaderboard.board import Board, Line
from leaderboard.standing import Standing
from leaderboard.web import links
from leaderboard.web.drawings import drawings
from leaderboard.web.query import Query
from leaderboard.web.render import Missing, View
from leaderboard.web.site import Site
from metanas.evaluation.charts.curves import Step, curves
from metanas.evaluation.charts.theme import Spec
from metanas.evaluation.stats import Interval, estimate

EXTREMES = 5  # hardest and easiest episodes shown per task


class Extreme(NamedTuple):
    """Episodes of a task by their accuracy averaged over seeds, hardest first and easiest first."""

    task: str
    hardest: tuple[tuple[int, float], ...]
    easiest: tuple[tuple[int, float], ...]


class Fresh(NamedTuple):
    """A task's score on so many fresh episodes."""

    task: str
    interval: Interval
    episodes: int


def page(site: Site, query: Query, track: str, name: str) -> View:
    """The page of the method with that slug. Missing if the track has none."""
    board = site.board(track)
    found = [line for line in board.lines if links.name(line.method) == name]
    if not found:
        raise Missing(f"no method {name!r} on {track}")
    history = site.source.history(found[0].method)
    whole = next(s for s in history if s.id == found[0].standing.id)
    return of_line(site.tracks, board, found[0], whole, history)


def of_line(
    tracks: Mapping[str, str], board: Board, line: Line, standing: Standing, history: Iterable[Standing]
) -> View:
    """The page of a line, from values alone; a run folder's report is the same page.

    standing: the line's own, with its architectures and curves.
    """
    found = steps(standing)
    return View(
        "method.html",
        {
            "tracks": tracks,
            "track": links.slug(board.track),
            "board": board,
            "page": "method",
            "line": line,
            "standing": standing,
            "s": standing.document,
            "drawings": drawings(standing.method, standing.architectures),
            "steps": found,
            "extremes": [extreme(task.name, standing) for task in board.tasks],
            "claims": claims(standing),
            "fresh": fresh(standing),
            "history": [other for other in history if other.track == board.track],
            "command": command(standing),
            "bibtex": bibtex(standing),
        },
        _pictures(standing, found),
    )


def steps(standing: Standing) -> list[Step]:
    """The adaptation curves in %, by task: mean over episodes and seeds with a 95 % band."""
    found = []
    for task, curve in standing.curves.items():
        for step, mean, low, high in zip(
            *(curve[key] for key in ("steps", "mean", "low", "high")), strict=True
        ):
            found.append(Step(task, int(step), 100 * mean, 100 * low, 100 * high))
    return found


def extreme(task: str, standing: Standing) -> Extreme:
    """The episodes a method found hardest and easiest."""
    means = standing.accuracies[task].mean(0)
    order = np.argsort(means, kind="stable")
    chosen = [
        [(int(e), float(means[e])) for e in some] for some in (order[:EXTREMES], order[::-1][:EXTREMES])
    ]
    return Extreme(task, tuple(chosen[0]), tuple(chosen[1]))


def claims(standing: Standing) -> list[tuple[str, float, float]]:
    """(task, what the entrant says, what we recomputed); claims are never used for anything."""
    claimed: Mapping[str, Any] = (standing.entry or {}).get("claims") or {}
    return [
        (task, float(value), float(standing.accuracies[task].mean()))
        for task, value in claimed.items()
        if task in standing.accuracies
    ]


def fresh(standing: Standing) -> list[Fresh]:
    """What it scored on the episodes of its challenge, by task."""
    return [
        Fresh(task, estimate({task: found}).interval(), found.shape[1])
        for task, found in standing.fresh.items()
    ]


def command(standing: Standing) -> str:
    """What to type to run it again."""
    s = standing.document
    words = f"metanas run --method {s.method} --suite {s.suite} --budget {s.budget['name']}"
    return f"{words} --seeds {','.join(map(str, s.seeds))}"


def bibtex(standing: Standing) -> str:
    """How to cite the entry itself."""
    s, key, year = standing.document, links.slug(standing.method), standing.accepted.year
    lines = (
        f"@misc{{metanas-bench-{key}-{year},",
        f"  title = {{{standing.method} on MetaNAS-Bench {s.suite} {s.suite_version}}},",
        f"  note = {{submission {standing.id}, predictions SHA-256 {s.predictions_sha256}}},",
        f"  year = {{{year}}}",
        "}",
    )
    return "\n".join(lines)


def _pictures(standing: Standing, found: list[Step]) -> dict[str, Spec]:
    if not found:
        return {}
    chance = 100 / standing.document.tasks[0].ways
    return {"curves": curves(f"Adaptation of {standing.method}", found, chance)}


def paths(site: Site) -> Iterable[str]:
    for slug, track in site.tracks.items():
        for line in site.board(slug).lines:
            yield links.method(track, line.method)
