"""A page asks the database as often for many methods as for few."""

from pathlib import Path

from sqlalchemy import event

from leaderboard.store.store import Store
from leaderboard.web import links
from leaderboard.web.routes import open_site
from leaderboard.web.store_source import Stored
from tests import runs


def asked(folder: Path, methods: int) -> dict[str, int]:
    """The number of statements that each kind of page sends, on a board with so many methods."""
    store = Store(folder / "board.db")
    for i in range(methods):
        runs.make(folder / f"m{i}", f"m{i}", 0.4 + 0.1 * i)
        store.add(folder / f"m{i}")
    site = open_site(Stored(store), live=True)
    track = site.tracks[site.home]
    task = site.documents[track].tasks[0]
    seen: list[str] = []
    event.listen(
        store.database.engine, "before_cursor_execute", lambda c, cursor, text, *rest: seen.append(text)
    )
    pages = {
        "home": "",
        "method": links.method(track, "m0"),
        "task": links.task(track, task.name),
        "domain": links.domain(task.domain),
        "pareto": links.board(track, "pareto-flops.html"),
        "compare": links.board(track, "compare.html"),
        "submit": links.SUBMIT,
    }
    counts = {}
    for name, address in pages.items():
        before = len(seen)
        site.get(address)
        counts[name] = len(seen) - before
    store.close()
    return counts


def test_the_number_of_queries_does_not_grow_with_the_methods(tmp_path: Path) -> None:
    few, many = (asked(tmp_path / str(n), n) for n in (2, 5))
    assert few == many
    assert few["home"] > 0, "they are counted"
    assert few["domain"] == few["submit"] == 0
