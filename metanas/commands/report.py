"""`metanas report RUN... --out report.html`: one page on runs and transfer studies. Torch-free."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    folders: Annotated[list[Path], typer.Argument(help="Run folders and transfer studies.")],
    out: Annotated[Path, typer.Option(help="The page; pictures go beside it.")] = Path("report.html"),
) -> None:
    """Tables and pictures in one self-contained page, with SVG and PNG twins of the pictures."""
    from metanas.evaluation.report import build

    print(build(folders, out))
