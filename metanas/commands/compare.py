"""`metanas compare RUN RUN ...`: several runs beside each other, from their kept answers. Torch-free."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from metanas.commands.common import AsJson, fail


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.")],
    as_json: AsJson = False,
    as_markdown: Annotated[bool, typer.Option("--md", help="Print Markdown.")] = False,
    as_tex: Annotated[bool, typer.Option("--tex", help="Print LaTeX.")] = False,
) -> None:
    """Scores, rank ranges and paired tests of runs that answered the same episodes."""
    from rich.console import Console

    from metanas.evaluation import tables
    from metanas.evaluation.compare import compare as compared
    from metanas.evaluation.gather import gather

    if as_json + as_markdown + as_tex > 1:
        fail("give one of --json, --md and --tex")
    found = gather(runs)
    comparison = compared({name: run.scores.view() for name, run in found.items()})
    if as_json:
        print(json.dumps(dataclasses.asdict(comparison), indent=1))
        return
    for table in tables.tables(found, comparison):
        if as_markdown:
            print(tables.markdown(table) + "\n")
        elif as_tex:
            print(tables.tex(table) + "\n")
        else:
            console = Console()
            console.print(*tables.terminal(table, console.width), sep="\n")
