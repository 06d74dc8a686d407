"""The page of one method on a track: scores, adapted architectures, adaptation curves, costs, provenance.

Everything comes from its submission on the board, a `Standing`, and its line (ranks and intervals) there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from leaderboard.ranking.board import Board, Line
from leaderboard.ranking.standing import Standing
from leaderboard.web import about, declared, downloads, links, reproduce
from leaderboard.web.drawings import drawings, in_all
from leaderboard.web.formatting import tex
from leaderboard.web.query import Query
from leaderboard.web.render import Missing, View
from leaderboard.web.site import Site
from leaderboard.web.views.menu import track_values
from metanas.evaluation import tables
from metanas.evaluation.charts.curves import Step, curves
from metanas.evaluation.charts.theme import Spec
from metanas.evaluation.gains import EVERYWHERE, Gain
from metanas.evaluation.statistics import Interval, estimate
from metanas.evaluation.tables import Table

EXTREMES = 5  # hardest and easiest episodes shown per task
Episodes = tuple[tuple[int, float], ...]  # (index of the episode, accuracy averaged over seeds)


class ExtremeEpisodes(NamedTuple):
    """The episodes of a task with the lowest accuracy, lowest first, and with the highest, highest first."""

    task: str
    hardest: Episodes
    easiest: Episodes


class FreshScore(NamedTuple):
    """The accuracy on the fresh episodes of a challenge, for one task, and their number."""

    task: str
    interval: Interval
    episodes: int


def page(site: Site, query: Query, track: str, name: str) -> View:
    """The page of a method by its name in addresses. Missing if it is not on the track, or no more."""
    board = site.board(track)
    line = next((line for line in board.lines if links.name(line.method) == name), None)
    if line is None:
        raise Missing(f"no method {name!r} on {track}")
    history = site.source.history(line.method)
    standing = next((s for s in history if s.id == line.standing.id), None)  # unlike the board's, with curves
    if standing is None:
        raise Missing(f"{name!r} has just left {track}")
    return _view(site, board, line, standing, history)


def _view(site: Site, board: Board, line: Line, standing: Standing, history: Iterable[Standing]) -> View:
    steps = _steps(standing)
    return View(
        "method.html",
        {
            **track_values(site, board, "method"),
            "line": line,
            "standing": standing,
            "s": standing.document,
            "drawings": drawings(standing.method, standing.architectures),
            "overview": in_all(standing.method, standing.architectures),
            "steps": steps,
            "gained": _gained(standing),
            "extremes": [_extremes(task.name, standing) for task in board.tasks],
            "claims": _claims(standing),
            "fresh": _fresh(standing),
            "history": [other for other in history if other.track == board.track],
            "command": reproduce.command(standing.document),
            "bibtex": _bibtex(standing),
            "authors": declared.authors(standing),
            "family": declared.family(standing),
            "found_at": declared.links(standing, site.repository),
            "downloads": downloads.offered(standing),
            "saved_as": downloads.saved_as,
        },
        _pictures(standing, steps),
    )


def _steps(standing: Standing) -> list[Step]:
    """The adaptation curves in %, by task: mean over episodes and seeds with a 95 % band."""
    steps = []
    for task, curve in standing.curves.items():
        for step, mean, low, high in zip(
            *(curve[key] for key in ("steps", "mean", "low", "high")), strict=True
        ):
            steps.append(Step(task, int(step), *Interval(mean, low, high, "").percents))
    return steps


def _gained(standing: Standing) -> Table:
    """What adapting the architecture does; without rows if the bundle had no controls."""
    order = [EVERYWHERE, *dict.fromkeys(task.domain for task in standing.tasks)]
    found = [
        Gain(standing.method, domain, figure, Interval(g["mean"], g["low"], g["high"], g["how"]), g["p"])
        for domain in order
        for figure, g in standing.gains.get(domain, {}).items()
    ]
    table = tables.gained(found)
    return replace(table, columns=table.columns[1:], rows=tuple(row[1:] for row in table.rows))


def _extremes(task: str, standing: Standing) -> ExtremeEpisodes:
    means = standing.accuracies[task].mean(0)  # (E,)
    order = np.argsort(means, kind="stable")
    hardest, easiest = (
        tuple((int(e), float(means[e])) for e in episodes)
        for episodes in (order[:EXTREMES], order[::-1][:EXTREMES])
    )
    return ExtremeEpisodes(task, hardest, easiest)


def _claims(standing: Standing) -> list[tuple[str, float, float]]:
    """(task, accuracy that the entrant reports, accuracy recomputed from the predictions)."""
    claimed: Mapping[str, Any] = (standing.entry or {}).get("claims") or {}
    return [
        (task, float(value), float(standing.accuracies[task].mean()))
        for task, value in claimed.items()
        if task in standing.accuracies
    ]


def _fresh(standing: Standing) -> list[FreshScore]:
    """The accuracies on the episodes of its challenge, by task; none if it answered no challenge."""
    return [
        FreshScore(task, estimate({task: accuracy}).interval(), accuracy.shape[1])
        for task, accuracy in standing.fresh.items()
    ]


def _bibtex(standing: Standing) -> str:
    """A BibTeX entry for the submission. What it says belongs to the submission and never changes."""
    s, day = standing.document, standing.accepted
    named = [author["name"] for author in (standing.entry or {}).get("authors", ())]
    fields = {
        "title": f"{{{tex(standing.method)} on MetaNAS-Bench {tex(s.suite)} {tex(s.suite_version)}}}",
        "author": " and ".join(f"{{{tex(name)}}}" for name in named) or tex(declared.authors(standing)),
        "year": str(day.year),
        "date": f"{day:%Y-%m-%d}",
        "note": f"submission {standing.id}, predictions SHA-256 {s.predictions_sha256}",
    }
    key = links.name(standing.method).replace("~", "-")
    return about.entry("misc", f"metanas-bench-{key}-{day.year}-{s.predictions_sha256[:8]}", fields)


def _pictures(standing: Standing, steps: list[Step]) -> dict[str, Spec]:
    if not steps:
        return {}
    chance = 100 * standing.document.tasks[0].chance
    return {"curves": curves(f"Adaptation of {standing.method}", steps, chance)}


def paths(site: Site) -> Iterable[str]:
    """Every method of every track."""
    for slug, track in site.tracks.items():
        for line in site.board(slug).lines:
            yield links.method(track, line.method)
