"""`metanas leaderboard ...`: the local leaderboard, and checks of pull requests. Imports no torch."""

import os
from pathlib import Path
from typing import Annotated

import typer

from metanas.base import redact
from metanas.base.atomic import write_atomically
from metanas.base.plugins import load
from metanas.cli.common import BOARD, AsJson, Database, Home, Results, Studies, fail, group

app = group("The local leaderboard.")


@app.command()
def show(db: Database = BOARD, as_json: AsJson = False) -> None:
    """Print the leaderboard."""
    from rich.console import Console

    store = load("leaderboard.store.store").Store(_existing(db))
    pages = load("leaderboard.web.static_site")
    if as_json:
        print("".join(pages.scores(store)), end="")
        return
    console = Console()
    for table in pages.show(store, console.width):
        console.print(table)


@app.command()
def add(folder: Path, db: Database = BOARD) -> None:
    """Validate a run folder, recompute its scores and store it."""
    print(f"added to: {load('leaderboard.store.store').Store(db).add(folder)}")


@app.command()
def export(
    out: Path, db: Database = BOARD, studies: Studies = None, results: Results = None, home: Home = ""
) -> None:
    """Write the leaderboard as a static site; an empty one gets the committed results."""
    store = load("leaderboard.store.store").Store(db)
    if not load("leaderboard.ranking.standing").tracks(store):
        found = load("leaderboard.repository.results")
        found.open_with(store, results or found.FOLDER)
    transfers = load("leaderboard.repository.studies")
    transfer_studies = transfers.read_all(studies or transfers.FOLDER)
    load("leaderboard.web.store_source").check_home(store, home)
    print(load("leaderboard.web.static_site").export(store, out, transfer_studies, home))


@app.command()
def stage(bundle: Path, repository: Annotated[Path, typer.Option(help="A checkout.")] = Path(".")) -> None:
    """Unpack a bundle into leaderboard/results/... of a checkout, ready for a pull request."""
    if not (repository / "leaderboard" / "results").is_dir():
        fail(f"{repository.absolute()} is no checkout of MetaNAS-Bench: it has no leaderboard/results")
    members = load("leaderboard.bundle.reading").read(bundle)
    print(load("leaderboard.repository.results").stage(members, repository))


@app.command("check-pull")
def check_pull(
    repository: Annotated[Path, typer.Argument(help="The pull request's files; none of their code is run.")],
    changes: Annotated[
        Path, typer.Option(help="Output of `git diff --name-status --no-renames -z BASE...HEAD`.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for report.md and scores.json.")],
) -> None:
    """Check a pull request that adds a result; exit code 3 if it is not valid."""
    pull = load("leaderboard.admin.pull_request")
    report = pull.check(
        Path(os.path.realpath(repository)),
        pull.changes(changes.read_text(encoding="utf-8", errors="replace")),
    )
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "report.md", report.text.encode())
    if report.scores is not None:
        write_atomically(out / "scores.json", report.scores)
    print(report.text, end="")
    if report.problems:
        raise typer.Exit(3)


def _existing(db: str) -> str:
    if "://" not in db and not Path(db).exists():
        fail(f"there is no leaderboard at {redact.address(db)}; `metanas run ...` makes one")
    return db
