"""`metanas report RUN...`: an HTML report on runs and transfer studies. Imports no torch."""

from pathlib import Path
from typing import Annotated

import typer

from metanas.cli.common import AcrossTracks, Baseline


def report(
    folders: Annotated[list[Path], typer.Argument(help="Run folders and transfer studies.")],
    out: Annotated[Path, typer.Option(help="The HTML file; figures go next to it.")] = Path("report.html"),
    across_tracks: AcrossTracks = False,
    baseline: Baseline = None,
) -> None:
    """Write tables and figures as one self-contained HTML page, and the figures as SVG and PNG files."""
    from metanas.evaluation.report import build

    print(build(folders, out, across_tracks=across_tracks, baseline=baseline))
