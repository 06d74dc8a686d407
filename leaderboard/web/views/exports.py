"""The ranked table as JSON, CSV, Markdown and LaTeX: the same numbers for programs, spreadsheets, papers.

`scores` is the form in which scores leave the board, everywhere: program, server, static export and pull
request print its bytes.
"""

import csv
import io
import json
from collections.abc import Iterable
from typing import Any

from leaderboard.board import Board, Line
from leaderboard.web import links
from leaderboard.web.query import Choice, Query
from leaderboard.web.render import File
from leaderboard.web.site import Site
from leaderboard.web.views import ranked
from leaderboard.web.words import heading
from metanas.evaluation.stats import Interval

MEDIA = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "tex": "text/plain; charset=utf-8",
}


def export(site: Site, query: Query, track: str, form: str) -> File:
    """The table of a track as the query wants it, all its rows."""
    whole = site.board(track)
    choice = Choice.of(query, whole.domains, [task.name for task in whole.tasks])
    board = site.board(track, choice.domain, choice.as_of)
    lines = ranked.ordered(ranked.chosen(board, choice), choice)
    return File(WRITERS[form](board, lines), MEDIA[form])


def scores(board: Board, lines: Iterable[Line]) -> str:
    """JSON: every number in full, as a fraction of 1, with what it was computed from."""
    return _json({"track": board.track, "rows": [_row(line) for line in lines]})


def table(board: Board, lines: Iterable[Line]) -> str:
    """CSV with plain numbers, in percent."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    tasks = [task.name for task in board.tasks]
    spread = [f"{name} {part}" for name in ("mean", *tasks) for part in ("", "low", "high")]
    writer.writerow(["first rank", "last rank", "method", *(name.strip() for name in spread)])
    for line in lines:
        intervals = [line.overall, *(line.tasks[name] for name in tasks)]
        numbers = [f"{100 * v:.4f}" for i in intervals for v in (i.mean, i.low, i.high)]
        method = "'" + line.method if line.method[0] in "=+-@" else line.method  # no formula in a spreadsheet
        writer.writerow([line.first, line.last, method, *numbers])
    return out.getvalue()


def markdown(board: Board, lines: Iterable[Line]) -> str:
    """A table for a README."""
    heads = ["rank", "method", "mean", *(heading(task) for task in board.tasks)]
    rows = [heads, ["---"] * len(heads)]
    rows += [
        [line.ranks, line.method.replace("|", "\\|"), line.overall.percent()]
        + [line.tasks[task.name].percent() for task in board.tasks]
        for line in lines
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def latex(board: Board, lines: Iterable[Line]) -> str:
    """A table for a paper (package booktabs); accuracy in % with half the width of the 95 % interval."""
    heads = ["Rank", "Method", "Mean", *(heading(task) for task in board.tasks)]
    body = [
        [line.ranks.replace("\u2013", "--"), _tex(line.method), _plus_minus(line.overall)]
        + [_plus_minus(line.tasks[task.name]) for task in board.tasks]
        for line in lines
    ]
    text = [
        f"\\begin{{tabular}}{{rl{'r' * (len(heads) - 2)}}}",
        "\\toprule",
        _tex_row(map(_tex, heads)),
        "\\midrule",
    ]
    return "\n".join([*text, *map(_tex_row, body), "\\bottomrule", "\\end{tabular}", ""])


WRITERS = {"json": scores, "csv": table, "md": markdown, "tex": latex}


def paths(site: Site) -> Iterable[str]:
    for track in site.tracks.values():
        for form in WRITERS:
            yield links.board(track, f"leaderboard.{form}")


def _row(line: Line) -> dict[str, Any]:
    return {
        "method": line.method,
        "tier": line.standing.tier,
        "ranks": [line.first, line.last],
        "mean": _interval(line.overall),
        "tasks": {name: _interval(interval) for name, interval in sorted(line.tasks.items())},
        "chance_normalised": line.normalised,
        "predictions_sha256": line.standing.document.predictions_sha256,
    }


def _interval(interval: Interval) -> dict[str, Any]:
    return {"mean": interval.mean, "low": interval.low, "high": interval.high, "how": interval.how}


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def _plus_minus(interval: Interval) -> str:
    return f"${100 * interval.mean:.1f} \\pm {50 * (interval.high - interval.low):.1f}$"


def _tex(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(c, f"\\{c}" if c in "&%$#_{}" else c) for c in text)


def _tex_row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"
