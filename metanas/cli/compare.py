"""`metanas compare RUN RUN ...`: statistical comparison of runs from their predictions. Imports no torch."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from metanas.cli.common import AcrossTracks, AsJson, Baseline, fail


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.")],
    as_json: AsJson = False,
    as_markdown: Annotated[bool, typer.Option("--md", help="Print Markdown.")] = False,
    as_tex: Annotated[bool, typer.Option("--tex", help="Print LaTeX.")] = False,
    across_tracks: AcrossTracks = False,
    baseline: Baseline = None,
    budget: Annotated[str | None, typer.Option(help="Only the runs of this budget.")] = None,
) -> None:
    """Compare runs of one track on the same episodes: scores, ranks, the distance to the best, tests."""
    from rich.console import Console

    from metanas.evaluation import tables
    from metanas.evaluation.compare import compare as compare_views
    from metanas.evaluation.gains import gains
    from metanas.evaluation.load_runs import load_runs, submissions
    from metanas.evaluation.track import differences

    if as_json + as_markdown + as_tex > 1:
        fail("give one of --json, --md and --tex")
    loaded = load_runs(runs, across_tracks=across_tracks, budget=budget)
    comparison = compare_views({name: run.scores.view() for name, run in loaded.items()}, baseline=baseline)
    if as_json:
        gained = gains({name: run.asked for name, run in loaded.items()})
        document = dataclasses.asdict(comparison) | {
            "architecture": [dataclasses.asdict(g) for g in gained],
            "across_tracks": differences(submissions(loaded)),
            "computed_on": {name: tables.device_of(run) for name, run in loaded.items()},
        }
        print(json.dumps(document, indent=1))
        return
    for table in tables.tables(loaded, comparison):
        if as_markdown:
            print(tables.markdown(table) + "\n")
        elif as_tex:
            print(tables.tex(table) + "\n")
        else:
            console = Console()
            console.print(*tables.terminal(table, console.width), sep="\n")
