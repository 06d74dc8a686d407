"""`metanas evaluate RUN --suite S`: a trained run on other pinned episodes."""

from pathlib import Path
from typing import Annotated

import typer

from metanas.commands.common import Root


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder with checkpoints.")],
    suite: Annotated[str, typer.Option(help="The suite to answer. Default: the run's own.")] = "",
    domains: Annotated[str, typer.Option(help="Only these domains of it: a,b.")] = "",
    budget: Annotated[str, typer.Option(help="Whose number of episodes: smoke | small | full")] = "small",
    out: Annotated[Path | None, typer.Option(help="Default: RUN/on-SUITE.")] = None,
    curves: Annotated[bool, typer.Option(help="Also accuracy after 0,1,2,5,10,20 steps.")] = False,
    root: Root = None,
) -> None:
    """Answer pinned episodes with the checkpoints of a run; leaves a run folder of its own."""
    from metanas import elsewhere

    chosen = tuple(filter(None, domains.split(",")))
    folder = elsewhere.evaluate(run, suite, chosen, budget, out, root, curves=curves)
    print(folder)
