"""`metanas evaluate RUN --suite S`: evaluate the checkpoints of a run on the episodes of another suite."""

from pathlib import Path
from typing import Annotated

import typer

from metanas.cli.common import Controls, Device, Precision, Regret, Roots, data_root, names, print_rows


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder with checkpoints.")],
    suite: Annotated[str, typer.Option(help="Suite of the test episodes. Default: the run's own.")] = "",
    domains: Annotated[
        str, typer.Option(help="Domains: a,b. Default: all of the suite; without --suite the run's.")
    ] = "",
    budget: Annotated[
        str, typer.Option(help="Gives the number of test episodes. Default: the run's own budget.")
    ] = "",
    out: Annotated[Path | None, typer.Option(help="The new run folder. Default: RUN/on-SUITE.")] = None,
    curves: Annotated[bool, typer.Option(help="Also accuracy after 0,1,2,5,10,20 steps.")] = False,
    controls: Controls = True,
    regret: Regret = False,
    device: Device = "auto",
    precision: Precision = "float32",
    root: Roots = None,
) -> None:
    """Predict pinned test episodes with the checkpoints of a run; writes a new run folder.

    Prints accuracies in % with 95 % intervals, then the folder; progress goes to stderr.
    """
    from rich.console import Console

    from metanas.engine.runtime import Runtime
    from metanas.evaluation.load_runs import load_runs
    from metanas.studies import reevaluate

    folder = reevaluate.reevaluate(
        run,
        suite,
        names(domains),
        budget,
        out,
        data_root(root),
        curves=curves,
        controls=controls,
        regret=regret,
        runtime=Runtime(device, precision),
        console=Console(stderr=True),
    )
    (answered,) = load_runs([folder]).values()
    scores = {task: answered.scores.task_interval(task) for task in answered.scores.tasks}
    rows = [{"task": task, "accuracy": interval.percent()} for task, interval in scores.items()]
    rows.append({"task": "mean", "accuracy": answered.scores.mean().percent()})
    print("accuracy in %, with 95 % intervals")
    print_rows(rows, ("task", "accuracy"), as_json=False)
    print(folder)
