"""The ranked table as JSON, CSV, Markdown and LaTeX.

A writer takes a board and some of its lines (one per method, best first) and returns the text. The JSON of
`scores` is the same to the last byte from the server, a static export and `metanas leaderboard show --json`.
"""

import csv
import io
import json
from collections.abc import Iterable
from typing import Any

from leaderboard.ranking.board import Board, Line
from leaderboard.web import links
from leaderboard.web.formatting import heading, tex
from leaderboard.web.query import Query
from leaderboard.web.render import File
from leaderboard.web.site import Site
from leaderboard.web.views import ranked
from metanas.evaluation.statistics import Interval

MEDIA = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "tex": "text/plain; charset=utf-8",
}


def export(site: Site, query: Query, track: str, form: str) -> File:
    """A track's table with the filters and the sorting of the query, all its rows; form: a key of WRITERS.

    Missing and QueryError as for the ranked table.
    """
    board, choice = ranked.chosen(site, query, track)
    lines = ranked.ordered(board, ranked.filtered(board, choice), choice)
    return File(WRITERS[form](board, lines).encode(), MEDIA[form])


def scores(board: Board, lines: Iterable[Line]) -> str:
    """JSON: all digits of every number, as a fraction of 1, with how its interval was computed."""
    return _json({"track": board.track, "rows": [_row(line) for line in lines]})


def _csv(board: Board, lines: Iterable[Line]) -> str:
    """CSV with plain numbers, in percent: mean, low and high of the overall accuracy and of every task."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    tasks = [task.name for task in board.tasks]
    columns = [f"{name} {bound}".strip() for name in ("mean", *tasks) for bound in ("", "low", "high")]
    best = ["minus best other", "minus best other low", "minus best other high", "may be best", "family"]
    writer.writerow(["first rank", "last rank", "method", *columns, *best])
    for line in lines:
        place = line.place
        accuracies = [interval.percents for interval in (line.overall, *(line.tasks[name] for name in tasks))]
        gap = place.to_best
        numbers = [f"{v:.4f}" for triple in accuracies for v in triple]
        numbers += [f"{100 * v:.4f}" for v in (gap.mean, gap.low, gap.high)]
        names = _plain(line.method), _plain(place.family)
        rest = ["yes" if place.best else "no", names[1]]
        writer.writerow([place.first, place.last, names[0], *numbers, *rest])
    return out.getvalue()


def _plain(name: str) -> str:
    """A name that a spreadsheet does not compute because it starts like a formula."""
    return "'" + name if name[0] in "=+-@" else name


def markdown(board: Board, lines: Iterable[Line]) -> str:
    """A Markdown table: accuracy in % with its 95 % interval."""
    headings = ["rank", "method", "mean", *(heading(task) for task in board.tasks)]
    rows = [headings, ["---"] * len(headings)]
    rows += [
        [line.ranks, line.method.replace("|", "\\|"), line.overall.percent()]
        + [line.tasks[task.name].percent() for task in board.tasks]
        for line in lines
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _latex(board: Board, lines: Iterable[Line]) -> str:
    """A LaTeX table (package booktabs): accuracy in % with half the width of the 95 % interval."""
    headings = ["Rank", "Method", "Mean", *(heading(task) for task in board.tasks)]
    body = [
        [line.ranks.replace("\u2013", "--"), tex(line.method), _plus_minus(line.overall)]
        + [_plus_minus(line.tasks[task.name]) for task in board.tasks]
        for line in lines
    ]
    head = [
        f"\\begin{{tabular}}{{rl{'r' * (len(headings) - 2)}}}",
        "\\toprule",
        _tex_row(map(tex, headings)),
        "\\midrule",
    ]
    return "\n".join([*head, *map(_tex_row, body), "\\bottomrule", "\\end{tabular}", ""])


FIGURES = {"architecture_gain": "gain", "swap_test": "swap", "regret": "regret"}  # key -> figure
WRITERS = {"json": scores, "csv": _csv, "md": markdown, "tex": _latex}  # by file name extension


def paths(site: Site) -> Iterable[str]:
    """The table of every track in every form."""
    for track in site.tracks.values():
        for form in WRITERS:
            yield links.board(track, f"leaderboard.{form}")


def _row(line: Line) -> dict[str, Any]:
    return {
        "method": line.method,
        "tier": line.standing.tier,
        "ranks": [line.place.first, line.place.last],
        "to_best": _interval(line.place.to_best),
        "may_be_best": line.place.best,
        "family": line.place.family,
        "mean": _interval(line.overall),
        "tasks": {name: _interval(interval) for name, interval in sorted(line.tasks.items())},
        "chance_normalised": line.normalised,
        **{
            word: _interval(found.difference) if (found := line.standing.figure(figure)) else None
            for word, figure in FIGURES.items()
        },
        "adapt_flops": line.standing.document.costs.adapt_flops,
        "predict_macs": line.standing.macs,
        "predictions_sha256": line.standing.document.predictions_sha256,
    }


def _interval(interval: Interval) -> dict[str, Any]:
    return {"mean": interval.mean, "low": interval.low, "high": interval.high, "how": interval.how}


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def _plus_minus(interval: Interval) -> str:
    if interval.low < 0 or interval.high > 1:  # where half a width would leave 0 to 100 %
        return interval.percent()
    return f"${100 * interval.mean:.1f} \\pm {50 * (interval.high - interval.low):.1f}$"


def _tex_row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"
