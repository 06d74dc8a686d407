"""What several commands share: option types and the way to stop with a usage error. Torch-free."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

Root = Annotated[
    Path | None, typer.Option("--data-root", envvar="METANAS_DATA", help="Folder with the data sets.")
]
Database = Annotated[
    str, typer.Option("--db", envvar="METANAS_LEADERBOARD", help="The leaderboard: an SQLite file or a URL.")
]
Studies = Annotated[
    Path | None,
    typer.Option(
        exists=True, help="Folder of transfer studies to show. Default: those of leaderboard/studies."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
BOARD = "runs/leaderboard.db"


def group(summary: str) -> typer.Typer:
    """An empty group of commands."""
    return typer.Typer(help=summary, no_args_is_help=True)


def fail(message: str) -> NoReturn:
    """Stop with a usage error: one line, exit code 2."""
    raise typer.BadParameter(message)


def print_rows(rows: list[dict[str, Any]], columns: tuple[str, ...], *, as_json: bool) -> None:
    """Rows as JSON, or as aligned columns of plain text."""
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    widths = [max((len(str(row[c])) for row in rows), default=0) for c in columns]
    for row in rows:
        print("  ".join(f"{row[c]!s:<{w}}" for c, w in zip(columns, widths, strict=True)).rstrip())


def names(text: str) -> tuple[str, ...]:
    """An option a,b as names, each once."""
    return tuple(dict.fromkeys(filter(None, text.split(","))))


def executor_kind(text: str) -> Literal["local", "ray"]:
    """An option of where workers run."""
    if text not in ("local", "ray"):
        fail(f"--executor must be local or ray, got {text!r}")
    return "ray" if text == "ray" else "local"


def numbers(text: str) -> tuple[int, ...]:
    """An option of seeds 0,1,2, each once."""
    try:
        return tuple(dict.fromkeys(int(part) for part in text.split(",") if part))
    except ValueError:
        fail(f"--seeds wants numbers like 0,1,2, got {text!r}")
