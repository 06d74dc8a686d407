"""The ranked table: filters, sorting, columns, pages, permalinks. The first page of a board."""

from collections.abc import Iterable, Sequence

from leaderboard.board import Board, Line
from leaderboard.web import links
from leaderboard.web.query import COLUMNS, NAMES, ROWS, TIERS, Choice, Query
from leaderboard.web.render import View
from leaderboard.web.site import Site


def home(site: Site, query: Query) -> View:
    """The first page: the largest board, or how to make the first result."""
    if not site.tracks:
        return View("empty.html", frame(site, "index.html"))
    return ranked(site, query, largest(site))


def ranked(site: Site, query: Query, track: str) -> View:
    """The table of a track as the query wants it."""
    whole = site.board(track)
    names = [task.name for task in whole.tasks]
    choice = Choice.of(query, whole.domains, names)
    board = site.board(track, choice.domain, choice.as_of)
    lines = ordered(chosen(board, choice), choice)
    pages = max(1, -(-len(lines) // ROWS))
    at = min(choice.page, pages)
    shown = lines if not site.live else lines[(at - 1) * ROWS : at * ROWS]
    return View(
        "ranked.html",
        {
            **of_track(site, board, "index.html"),
            "board": board,
            "lines": shown,
            "found": len(lines),
            "choice": choice,
            "pages": pages,
            "at": at,
            "domains": whole.domains,
            "tiers": TIERS,
            "columns": COLUMNS,
            "names": NAMES,
            "shown_tasks": board.tasks if "tasks" in choice.columns else (),
        },
    )


def frame(site: Site, page: str) -> dict[str, object]:
    """What the frame of a page of no track needs: it leads back to the first page's track."""
    return {"tracks": site.tracks, "track": largest(site) if site.tracks else None, "page": page}


def of_track(site: Site, board: Board, page: str) -> dict[str, object]:
    """What the frame of every page of a track needs."""
    return {"tracks": site.tracks, "track": links.slug(board.track), "board": board, "page": page}


def largest(site: Site) -> str:
    """The track with the most methods; of equals the first by name."""
    return min(site.tracks, key=lambda slug: (-len(site.board(slug).lines), slug))


def chosen(board: Board, choice: Choice) -> list[Line]:
    """The lines that pass the filters, in the board's order. Ranks stay those of the whole board."""
    return [
        line
        for line in board.lines
        if choice.q.lower() in line.method.lower()
        and choice.tier in ("", line.standing.tier)
        and choice.transductive in ("", "yes" if line.standing.document.transductive else "no")
    ]


def ordered(lines: Sequence[Line], choice: Choice) -> list[Line]:
    """Sorted by a column; equals keep the order of the board."""
    if choice.sort in ("rank", "mean"):
        backwards = choice.descending == (choice.sort == "rank")
        return list(reversed(lines)) if backwards else list(lines)
    return sorted(lines, key=lambda line: _key(line, choice.sort), reverse=choice.descending)


def _key(line: Line, column: str) -> float | str:
    document = line.standing.document
    if column in line.tasks:
        return line.tasks[column].mean
    found: dict[str, float | str] = {
        "method": line.method,
        "worst": line.worst[1],
        "normalised": line.normalised,
        "parameters": document.costs.parameters,
        "training": document.costs.train_seconds,
        "seeds": len(document.seeds),
        "attempts": line.standing.attempts,
        "date": line.standing.accepted.timestamp(),
    }
    return found.get(column, 0.0)


def paths(site: Site) -> Iterable[str]:
    for track in site.tracks.values():
        yield links.board(track)
