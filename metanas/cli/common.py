"""Shared by the commands: option types, parsing of lists, usage errors, printing rows. Imports no torch."""

import json
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

if TYPE_CHECKING:  # it imports numpy
    from metanas.data.roots import DataRoot

Roots = Annotated[
    list[Path] | None,
    typer.Option(
        "--data-root",
        envvar="METANAS_DATA",
        help="Folder with data sets, or a datasets.yaml with a folder for each domain; may be repeated.",
    ),
]
Database = Annotated[
    str, typer.Option("--db", envvar="METANAS_LEADERBOARD", help="The leaderboard: an SQLite file or a URL.")
]
Studies = Annotated[
    Path | None,
    typer.Option(exists=True, help="Folder of transfer studies to show. Default: leaderboard/studies."),
]
Results = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        file_okay=False,
        envvar="METANAS_RESULTS",
        help="Folder of committed results. Default: leaderboard/results of a checkout.",
    ),
]
Home = Annotated[
    str,
    typer.Option(
        help="Track of the first page, by name or address. Default: the one with the most results that "
        "the administrator added."
    ),
]
Workers = Annotated[
    int,
    typer.Option(min=0, max=1024, help="Processes per worker that draw meta-batches ahead. Same results."),
]
Device = Annotated[
    str,
    typer.Option(
        envvar="METANAS_DEVICE", help="auto (a CUDA card if there is one) | cpu | cuda | cuda:N | mps"
    ),
]
Precision = Annotated[
    Literal["float32", "tf32", "bf16"], typer.Option(help="Of matrix products and convolutions.")
]
Controls = Annotated[
    bool,
    typer.Option(
        help="Answer the test episodes also under other architectures, which says what adapting the "
        "architecture is worth. Takes about as long as the test itself."
    ),
]
Regret = Annotated[
    bool,
    typer.Option(
        "--regret",
        help="Answer the test episodes also under every candidate of a method that chooses among some, which "
        "says what the best choice in hindsight would have got.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AcrossTracks = Annotated[
    bool, typer.Option("--across-tracks", help="Compare runs of unequal budgets too; every table says so.")
]
Baseline = Annotated[
    str | None, typer.Option("--baseline", help="Compare every other method with this one, too.")
]
BOARD = "runs/leaderboard.db"
debug = False  # whether --debug was given; `app.main` sets it


def group(summary: str) -> typer.Typer:
    """A new, empty group of commands."""
    return typer.Typer(help=summary, no_args_is_help=True)


def data_root(given: list[Path] | None) -> "DataRoot":
    """What `--data-root` gives, as one value. InvalidValue for a wrong datasets.yaml."""
    from metanas.data import roots

    return roots.data_root(given)


def fail(message: str) -> NoReturn:
    """Stop with a usage error: `message` on one line of stderr, exit code 2."""
    raise typer.BadParameter(message)


def warn(message: str) -> None:
    """Print one line on stderr, under the program's name."""
    print(f"metanas: {message}", file=sys.stderr)


def show_traceback(error: Exception) -> None:
    """With --debug, the traceback of an error that is shown as a row and stops nothing."""
    if debug:
        traceback.print_exception(error)


def print_rows(rows: list[dict[str, Any]], columns: tuple[str, ...], *, as_json: bool) -> None:
    """Print rows as JSON, or these columns as aligned text."""
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    widths = [max((len(str(row[c])) for row in rows), default=0) for c in columns]
    for row in rows:
        print("  ".join(f"{row[c]!s:<{w}}" for c, w in zip(columns, widths, strict=True)).rstrip())


def names(text: str) -> tuple[str, ...]:
    """Parse a list of names: "a, b,a" to ("a", "b")."""
    return tuple(dict.fromkeys(filter(None, (part.strip() for part in text.split(",")))))


def executor_kind(text: str) -> Literal["local", "ray"]:
    """Parse `--executor`."""
    if text not in ("local", "ray"):
        fail(f"--executor must be local or ray, got {text!r}")
    return "ray" if text == "ray" else "local"


def numbers(text: str, option: str = "--seeds") -> tuple[int, ...]:
    """Parse what an option lists: "0,1,1" to (0, 1)."""
    try:
        return tuple(dict.fromkeys(int(part) for part in names(text)))
    except ValueError:
        fail(f"{option} wants numbers like 0,1,2, got {text!r}")
