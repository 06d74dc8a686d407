"""The board for those who do not ask a server: a static site and terminal tables.

The static site is what `web/site.py` answers, written to files: the same templates, views and numbers as
on the server. The same store gives the same bytes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from leaderboard.board import Board
from leaderboard.store.store import Store
from leaderboard.transfers import Shown
from leaderboard.web import links
from leaderboard.web.routes import open_site
from leaderboard.web.stored import Stored
from leaderboard.web.views import exports
from leaderboard.web.words import heading, percent
from metanas.disk import write_atomically

NOTE = "a range of ranks where paired tests (Holm, 5 %) cannot tell"


def export(store: Store, out: Path, studies: tuple[Shown, ...] = ()) -> Path:
    """Write the site to `out`; returns its index.html. Files of an older export stay as they are."""
    site = open_site(Stored(store, studies), live=False)
    for address in site.paths():
        path = out / address
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, site.get(address).content)
    return out / links.HOME


def boards(store: Store) -> list[Board]:
    """All boards, by track."""
    site = open_site(Stored(store), live=False)
    return [site.board(slug) for slug in site.tracks]


def show(store: Store, width: int) -> list[Table]:
    """The boards as terminal tables of at most `width` characters.

    A column per task with its interval where they fit. Where they do not, a column per domain with its mean,
    in as many tables side by side as it takes.
    """
    return [table for board in boards(store) for table in _tables(board, width)]


def scores(store: Store) -> list[str]:
    """Every track's scores as JSON, byte for byte what the server and the static site answer."""
    return [exports.scores(board, board.lines) for board in boards(store)]


def _tables(board: Board, width: int) -> list[Table]:
    tasks = {heading(task): [line.tasks[task.name].percent() for line in board.lines] for task in board.tasks}
    if fits(whole := _table(board, tasks, board.track), width):
        return [whole]
    domains = {name: [percent(line.domains[name]) for line in board.lines] for name in board.domains}
    found: list[Table] = []
    names = list(domains)
    while names:
        title = board.track if not found else f"{board.track} (continued)"
        most = len(names)
        while most > 1 and not fits(_table(board, {n: domains[n] for n in names[:most]}, title), width):
            most -= 1
        found.append(_table(board, {n: domains[n] for n in names[:most]}, title))
        names = names[most:]
    return found


def _table(board: Board, columns: Mapping[str, Sequence[str]], title: str) -> Table:
    """columns: heading -> a text per line of the board."""
    table = Table(title=title, caption=f"accuracy in %, 95 % intervals; {NOTE}")
    table.add_column("rank", justify="right")
    table.add_column("method")
    table.add_column("mean")
    for name in columns:
        table.add_column(name)
    for line, *cells in zip(board.lines, *columns.values(), strict=True):
        table.add_row(line.ranks, line.method, line.overall.percent(), *cells)
    return table


def fits(table: Table, width: int) -> bool:
    """Whether no cell and no heading of it need be wrapped."""
    wide = Console(width=10_000)
    return wide.measure(table).maximum <= width
