"""The leaderboard without a server: a static site in a folder, terminal tables, and scores as JSON.

The static site holds the pages of `site.py` as files: the same templates, views and numbers as on the server,
and for the same store the same bytes. Used by `metanas leaderboard` and the check of pull requests.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from leaderboard.ranking.board import Board
from leaderboard.repository.studies import Shown
from leaderboard.store.store import Store
from leaderboard.web import links
from leaderboard.web.columns import gain
from leaderboard.web.formatting import heading, percent
from leaderboard.web.routes import open_site
from leaderboard.web.store_source import Stored
from leaderboard.web.views import exports
from metanas.base.atomic import write_atomically

NOTE = "a range of ranks where comparisons with all others (5 %) cannot tell"
GAINED = (
    "; architecture gain: over one shared architecture, in points, with an uncorrected interval "
    "(ns: not significant after Holm's correction over all of the run's gains)"
)


def export(store: Store, out: Path, studies: tuple[Shown, ...] = (), home: str = "") -> Path:
    """Write the site to the folder `out`; returns the path of its index.html. home: as in `Stored`.

    Files of an older export that the new one does not write stay.
    """
    site = open_site(Stored(store, studies, home), live=False)
    for address in site.paths():
        path = out / address
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, site.get(address).content)
    return out / links.HOME


def boards(store: Store) -> list[Board]:
    """The ranked board of every track, sorted by the track's name."""
    site = open_site(Stored(store), live=False)
    return [site.board(slug) for slug in site.tracks]


def show(store: Store, width: int, tracks: Collection[str] | None = None) -> list[Table]:
    """The boards, or those of some tracks, as terminal tables of at most `width` characters.

    One column per task, accuracy with its interval, if that fits. Otherwise one column per domain with its
    mean accuracy, continued in further tables.
    """
    shown = [board for board in boards(store) if tracks is None or board.track in tracks]
    return [table for board in shown for table in _tables(board, width)]


def scores(store: Store) -> list[str]:
    """Every track's scores as JSON, byte for byte as the server and the static site give them."""
    return [exports.scores(board, board.lines) for board in boards(store)]


def _tables(board: Board, width: int) -> list[Table]:
    tasks = {heading(task): [line.tasks[task.name].percent() for line in board.lines] for task in board.tasks}
    if _fits(by_task := _table(board, tasks), width):
        return [by_task]
    domains = {name: [percent(line.domains[name]) for line in board.lines] for name in board.domains}
    tables: list[Table] = []
    names = list(domains)
    while names:
        columns, first = len(names), not tables
        while columns > 1 and not _fits(
            _table(board, {n: domains[n] for n in names[:columns]}, first=first), width
        ):
            columns -= 1
        tables.append(_table(board, {n: domains[n] for n in names[:columns]}, first=first))
        names = names[columns:]
    return tables


def _table(board: Board, columns: Mapping[str, Sequence[str]], *, first: bool = True) -> Table:
    """Ranks, methods, means and `columns`: heading -> a text per line.

    The first table of a board also has gains, and numbers of seeds where they differ.
    """
    gained = first and any(line.standing.gain for line in board.lines)
    seeds = [str(line.num_seeds) for line in board.lines]
    seeded = first and len(set(seeds)) > 1
    note = f"{NOTE}{GAINED}" if gained else NOTE
    title = board.track if first else f"{board.track} (continued)"
    table = Table(title=title, caption=f"accuracy in %, 95 % intervals; {note}")
    table.add_column("rank", justify="right")
    table.add_column("method")
    table.add_column("mean")
    if seeded:
        table.add_column("seeds", justify="right")
    if gained:
        table.add_column("architecture gain")
    for name in columns:
        table.add_column(name)
    for line, count, *cells in zip(board.lines, seeds, *columns.values(), strict=True):
        extra = [count] * seeded + [gain(line)] * gained
        table.add_row(line.ranks, line.method, line.overall.percent(), *extra, *cells)
    return table


def _fits(table: Table, width: int) -> bool:
    """Whether a table needs no wrapped cell or heading at this width."""
    wide = Console(width=10_000)
    return wide.measure(table).maximum <= width
