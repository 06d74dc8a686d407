"""The board for those who do not ask a server: a static site and terminal tables.

The static site is what `web/site.py` answers, written to files: the same templates, views and numbers as
on the server. The same store gives the same bytes.
"""

from pathlib import Path

from rich.table import Table

from leaderboard.board import Board
from leaderboard.store.store import Store
from leaderboard.web import links
from leaderboard.web.routes import open_site
from leaderboard.web.stored import Stored
from leaderboard.web.views import exports
from leaderboard.web.words import cell, heading
from metanas.evaluation.result import write_atomically

NOTE = "a range of ranks where paired tests (Holm, 5 %) cannot tell"


def export(store: Store, out: Path) -> Path:
    """Write the site to `out`; returns its index.html. Files of an older export stay as they are."""
    site = open_site(Stored(store), live=False)
    for address in site.paths():
        path = out / address
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, site.get(address).content)
    return out / links.HOME


def boards(store: Store) -> list[Board]:
    """All boards, by track."""
    site = open_site(Stored(store), live=False)
    return [site.board(slug) for slug in site.tracks]


def show(store: Store) -> list[Table]:
    """One terminal table per board."""
    return [_table(board) for board in boards(store)]


def scores(store: Store) -> list[str]:
    """Every track's scores as JSON, byte for byte what the server and the static site answer."""
    return [exports.scores(board, board.lines) for board in boards(store)]


def _table(board: Board) -> Table:
    table = Table(title=board.track, caption=f"accuracy in %, 95 % intervals; {NOTE}")
    table.add_column("rank", justify="right")
    table.add_column("method")
    table.add_column("mean")
    for task in board.tasks:
        table.add_column(heading(task))
    for line in board.lines:
        cells = [cell(line.tasks[task.name]) for task in board.tasks]
        table.add_row(line.ranks, line.method, cell(line.overall), *cells)
    return table
