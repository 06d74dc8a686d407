"""`metanas evaluate RUN --suite S`: evaluate the checkpoints of a run on the episodes of another suite."""

from pathlib import Path
from typing import Annotated

import typer

from metanas.cli.common import Device, Precision, Regret, Roots, data_root, names


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder with checkpoints.")],
    suite: Annotated[str, typer.Option(help="Suite of the test episodes. Default: the run's own.")] = "",
    domains: Annotated[
        str, typer.Option(help="Domains: a,b. Default: all of the suite; without --suite the run's.")
    ] = "",
    budget: Annotated[
        str, typer.Option(help="Gives the number of episodes: smoke | demo | small | full | small-2T ...")
    ] = "small",
    out: Annotated[Path | None, typer.Option(help="The new run folder. Default: RUN/on-SUITE.")] = None,
    curves: Annotated[bool, typer.Option(help="Also accuracy after 0,1,2,5,10,20 steps.")] = False,
    regret: Regret = False,
    device: Device = "auto",
    precision: Precision = "float32",
    root: Roots = None,
) -> None:
    """Predict pinned test episodes with the checkpoints of a run; writes a new run folder."""
    from metanas.engine.runtime import Runtime
    from metanas.studies import reevaluate

    runtime = Runtime(device, precision)
    chosen = names(domains)
    folder = reevaluate.reevaluate(
        run, suite, chosen, budget, out, data_root(root), curves=curves, regret=regret, runtime=runtime
    )
    print(folder)
