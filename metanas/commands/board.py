"""`metanas leaderboard ...`: the local leaderboard. Torch-free."""

from pathlib import Path
from typing import Annotated

import typer

from metanas.commands.common import BOARD, AsJson, Database, Studies, fail, group
from metanas.plugins import load

app = group("The local leaderboard.")


@app.command()
def show(db: Database = BOARD, as_json: AsJson = False) -> None:
    """Print the boards."""
    from rich.console import Console

    store = load("leaderboard.store.store").Store(_existing(db))
    pages = load("leaderboard.pages")
    if as_json:
        print("".join(pages.scores(store)), end="")
        return
    console = Console()
    for table in pages.show(store, console.width):
        console.print(table)


@app.command()
def add(folder: Path, db: Database = BOARD) -> None:
    """Check a run folder, recompute its scores and store it."""
    print(f"added to: {load('leaderboard.store.store').Store(db).add(folder)}")


@app.command()
def export(out: Path, db: Database = BOARD, studies: Studies = None) -> None:
    """Write the boards as a static site. An empty board opens with the committed results."""
    store = load("leaderboard.store.store").Store(db)
    if not load("leaderboard.standing").tracks(store):
        load("leaderboard.committed").open_with(store)
    transfers = load("leaderboard.transfers")
    shown = transfers.read_all(studies or transfers.FOLDER)
    print(load("leaderboard.pages").export(store, out, shown))


@app.command()
def stage(bundle: Path, repository: Annotated[Path, typer.Option(help="A checkout.")] = Path(".")) -> None:
    """Unpack a bundle to where a pull request adds it: leaderboard/results/..."""
    members = load("leaderboard.bundle.reading").read(bundle)
    print(load("leaderboard.committed").stage(members, repository))


@app.command("check-pull")
def check_pull(
    repository: Annotated[Path, typer.Argument(help="The pull request's files; nothing of them is run.")],
    changes: Annotated[
        Path, typer.Option(help="What `git diff --name-status --no-renames -z BASE...HEAD` printed.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for report.md and scores.json.")],
) -> None:
    """Check a pull request that adds a result; exit code 3 if it is not valid."""
    pull = load("leaderboard.pull")
    found = pull.check(repository.resolve(), pull.changes(changes.read_text(encoding="utf-8")))
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.md").write_text(found.text, encoding="utf-8")
    if found.scores is not None:
        (out / "scores.json").write_bytes(found.scores)
    print(found.text, end="")
    if found.problems:
        raise typer.Exit(3)


def _existing(db: str) -> str:
    if "://" not in db and not Path(db).exists():
        fail(f"there is no leaderboard at {db}; `metanas run ...` makes one")
    return db
