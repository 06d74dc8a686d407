"""The ranked table of a track, with filters, sorting, columns and pages from its query string (`query.py`).

It is the first page of a track, and that of the main track is the first page of the site. The values that
every page needs (`base_values`, `track_values`) are here too.
"""

from collections.abc import Iterable, Sequence

from leaderboard.ranking.board import Board, Line
from leaderboard.web import links
from leaderboard.web.query import COLUMNS, NAMES, ROWS, TIERS, Query, TableQuery
from leaderboard.web.render import View
from leaderboard.web.site import Site
from metanas.evaluation import tables


def home(site: Site, query: Query) -> View:
    """The first page of the site: the table of the main track (`_main`), or how to make a first result."""
    if not site.tracks:
        return View("empty.html", base_values(site, "index.html"))
    return ranked(site, query, _main(site))


def ranked(site: Site, query: Query, track: str) -> View:
    """The table of a track as its query string says; a static site shows all rows on one page.

    Missing if there is no such track, or nothing was published on it by `as_of`; QueryError: `TableQuery.of`.
    """
    full_board = site.board(track)
    table_query = TableQuery.of(query, full_board.domains, [task.name for task in full_board.tasks])
    board = site.board(track, table_query.domain, table_query.as_of)
    lines = ordered(filtered(board, table_query), table_query)
    pages = max(1, -(-len(lines) // ROWS))
    page = min(table_query.page, pages)
    shown = lines if not site.live else lines[(page - 1) * ROWS : page * ROWS]
    return View(
        "ranked.html",
        {
            **track_values(site, board, "index.html"),
            "board": board,
            "resolution": tables.resolution(board.resolution),
            "lines": shown,
            "found": len(lines),
            "choice": table_query,
            "pages": pages,
            "at": page,
            "domains": full_board.domains,
            "tiers": TIERS,
            "columns": COLUMNS,
            "names": NAMES,
            "shown_tasks": board.tasks if "tasks" in table_query.columns else (),
        },
    )


def base_values(site: Site, page: str) -> dict[str, object]:
    """The values that `base.html` needs on a page of no track; its menu leads to the main track.

    page: the address, relative to the track's, of the menu entry that is marked as current.
    """
    return {"tracks": site.tracks, "track": _main(site) if site.tracks else None, "page": page}


def track_values(site: Site, board: Board, page: str) -> dict[str, object]:
    """The values that `base.html` needs on a page of a track; page: as in `base_values`."""
    return {"tracks": site.tracks, "track": links.slug(board.track), "board": board, "page": page}


def filtered(board: Board, table_query: TableQuery) -> list[Line]:
    """The lines that pass the filters, in the board's order. Ranks stay those of the whole board."""
    return [
        line
        for line in board.lines
        if table_query.q.lower() in line.method.lower()
        and table_query.tier in ("", line.standing.tier)
        and table_query.transductive in ("", "yes" if line.standing.document.transductive else "no")
    ]


def ordered(lines: Sequence[Line], table_query: TableQuery) -> list[Line]:
    """The lines, given in the board's order, sorted by the query's column; ties keep the board's order."""
    if table_query.sort in ("rank", "mean"):  # the board's order: rising ranks, falling means
        backwards = table_query.descending == (table_query.sort == "rank")
        return list(reversed(lines)) if backwards else list(lines)
    return sorted(lines, key=lambda line: _key(line, table_query.sort), reverse=table_query.descending)


def _main(site: Site) -> str:
    """The slug of the track that is shown first.

    Tracks by training operations come before those by iterations, as soon as there is something to compare;
    then the one with the most methods; of equals the first in the alphabet.
    """

    def order(slug: str) -> tuple[bool, int, str]:
        lines = site.board(slug).lines
        by_operations = "flops" in lines[0].standing.document.budget and len(lines) > 1
        return not by_operations, -len(lines), slug

    return min(site.tracks, key=order)


def _key(line: Line, column: str) -> float | str:
    document = line.standing.document
    if column in line.tasks:
        return line.tasks[column].mean
    values: dict[str, float | str] = {
        "method": line.method,
        "best": line.place.to_best.mean,
        "worst": line.worst[1],
        "normalised": line.normalised,
        "parameters": document.costs.parameters,
        "training": document.costs.train_seconds,
        "seeds": len(document.seeds),
        "attempts": line.standing.attempts,
        "date": line.standing.accepted.timestamp(),
    }
    return values.get(column, 0.0)


def paths(site: Site) -> Iterable[str]:
    """The table of every track."""
    for track in site.tracks.values():
        yield links.board(track)
