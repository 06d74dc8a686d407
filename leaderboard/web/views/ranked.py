"""The ranked table of a track, with filters, sorting, columns and pages from its query string (`query.py`).

It is the first page of a track, and that of the administrator's track is the first page of the site.
"""

from collections.abc import Iterable, Sequence

from leaderboard.ranking.board import Board, Line
from leaderboard.web import columns, declared, links
from leaderboard.web.query import COLUMNS, NAMES, ROWS, TIERS, Query, TableQuery
from leaderboard.web.render import View
from leaderboard.web.site import Site
from leaderboard.web.views.compare import IN_EXPORT, MOST
from leaderboard.web.views.menu import track_values
from metanas.evaluation import tables


def home(site: Site, query: Query) -> View:
    """The first page: the table of the administrator's track, or how to make a first result."""
    if not site.home:
        return View("empty.html", {"page": "index.html"})
    return ranked(site, query, site.home)


def ranked(site: Site, query: Query, track: str) -> View:
    """The table of a track as its query string says; a static site shows all rows on one page.

    Missing if there is no such track, or nothing was published on it by `as_of`; QueryError: `TableQuery.of`.
    """
    board, choice = chosen(site, query, track)
    full_board = site.board(track)
    lines = ordered(board, filtered(board, choice), choice)
    pages = max(1, -(-len(lines) // ROWS))
    at = min(choice.page, pages)
    shown = columns.of_board(board, site.repository)
    return View(
        "ranked.html",
        {
            **track_values(site, board, "index.html"),
            "headline": full_board.lead,
            "leader": full_board.lines[0],
            "contenders": sum(line.place.best for line in full_board.lines),
            "resolution": tables.resolution(board.resolution),
            "lines": lines[(at - 1) * ROWS : at * ROWS] if site.live else lines,
            "found": len(lines),
            "choice": choice,
            "pages": pages,
            "at": at,
            "domains": full_board.domains,
            "families": _families(full_board),
            "tiers": TIERS,
            "groups": [name for name in COLUMNS if any(c.group == name for c in shown)],
            "names": NAMES,
            "columns": [c for c in shown if c.group in choice.columns or not site.live],
            "authors": declared.authors,
            "most": MOST,
            "in_export": IN_EXPORT,
        },
    )


def chosen(site: Site, query: Query, track: str) -> tuple[Board, TableQuery]:
    """The board that a query string asks for, of a domain or a day, and what else it asks."""
    full_board = site.board(track)
    known = [column.name for column in columns.of_board(full_board)]
    choice = TableQuery.of(query, full_board.domains, known, _families(full_board))
    return site.board(track, choice.domain, choice.as_of), choice


def _families(board: Board) -> list[str]:
    return sorted({declared.family(line.standing) for line in board.lines})


def filtered(board: Board, table_query: TableQuery) -> list[Line]:
    """The lines that pass the filters, in the board's order. Ranks stay those of the whole board."""
    return [
        line
        for line in board.lines
        if table_query.q.lower() in f"{line.method} {declared.authors(line.standing)}".lower()
        and table_query.family in ("", declared.family(line.standing))
        and table_query.tier in ("", line.standing.tier)
        and table_query.transductive in ("", "yes" if line.standing.document.transductive else "no")
    ]


def ordered(board: Board, lines: Sequence[Line], table_query: TableQuery) -> list[Line]:
    """Lines of a board, given in its order, sorted by the query's column; ties keep that order.

    A column that this board has not, as one of another domain, leaves the order as it is.
    """
    if table_query.sort in ("rank", "mean"):  # the board's order: rising ranks, falling means
        backwards = table_query.descending == (table_query.sort == "rank")
        return list(reversed(lines)) if backwards else list(lines)
    value = columns.sort_values(board).get(table_query.sort, lambda line: 0.0)
    return sorted(lines, key=value, reverse=table_query.descending)


def paths(site: Site) -> Iterable[str]:
    """The table of every track."""
    for track in site.tracks.values():
        yield links.board(track)
