"""`metanas leaderboard ...`: the local leaderboard. Torch-free."""

from pathlib import Path

from metanas.commands.common import BOARD, Database, fail, group
from metanas.plugins import load

app = group("The local leaderboard.")


@app.command()
def show(db: Database = BOARD) -> None:
    """Print the boards."""
    from rich.console import Console

    store = load("leaderboard.store.store").Store(_existing(db))
    for table in load("leaderboard.pages").show(store):
        Console().print(table)


@app.command()
def add(folder: Path, db: Database = BOARD) -> None:
    """Check a run folder, recompute its scores and store it."""
    print(f"added to: {load('leaderboard.store.store').Store(db).add(folder)}")


@app.command()
def export(out: Path, db: Database = BOARD) -> None:
    """Write the boards as a static site."""
    store = load("leaderboard.store.store").Store(_existing(db))
    print(load("leaderboard.pages").export(store, out))


def _existing(db: str) -> str:
    if "://" not in db and not Path(db).exists():
        fail(f"there is no leaderboard at {db}; `metanas run ...` makes one")
    return db
