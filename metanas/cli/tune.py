"""`metanas tune METHOD`: hyperparameter search on meta-validation episodes."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from metanas.base.ranges import MANY
from metanas.cli.common import Device, Precision, Roots, data_root, names

if TYPE_CHECKING:
    from metanas.studies.tune import Tuned


def tune(
    method: Annotated[str, typer.Argument(help="A method.")],
    trials: Annotated[
        int, typer.Option(min=1, max=MANY, help="Ended trials to reach, earlier ones included.")
    ] = 20,
    sampler: Annotated[Literal["tpe", "gp", "random"], typer.Option(help="Search algorithm.")] = "tpe",
    over: Annotated[
        list[str] | None,
        typer.Option("--over", help="key=low..high or key=a|b. Default: learning rates and channels."),
    ] = None,
    suite: Annotated[str, typer.Option(help="A suite: a name, or a YAML file.")] = "mini-v1",
    domains: Annotated[str, typer.Option(help="Domains of the suite: a,b. Default: all.")] = "",
    budget: Annotated[str, typer.Option(help="smoke | demo | small | full | small-2T ...")] = "small",
    episodes: Annotated[int, typer.Option(min=1, max=MANY, help="Meta-validation episodes per task.")] = 100,
    device: Device = "auto",
    precision: Precision = "float32",
    storage: Annotated[str, typer.Option(help="Database of the trials.")] = "sqlite:///runs/tune.db",
    overrides: Annotated[list[str] | None, typer.Option("--set", help="key=value, as for `run`.")] = None,
    root: Roots = None,
) -> None:
    """Search hyperparameters on meta-validation episodes; repeat to resume, or run several at once.

    Prints the best trial, and what gives `metanas run` its settings; trials=N declares how many were tried.
    """
    from rich.console import Console

    from metanas.data.datasets import Datasets
    from metanas.engine import config as configs
    from metanas.engine.runtime import Runtime
    from metanas.studies import progress
    from metanas.studies import tune as tuning

    runtime = Runtime(device, precision)
    ranges = tuning.ranges(method, over or ())
    config = configs.resolve(
        method,
        suite,
        budget=budget,
        domains=names(domains),
        overrides=overrides or (),
    )
    if storage.startswith("sqlite:///"):
        Path(storage.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    data = Datasets.open(config.suite, data_root(root))
    with progress.shown([f"tune {method}"], [trials], Console()) as update:
        best = tuning.tune(
            config,
            ranges,
            overrides=overrides or (),
            trials=trials,
            sampler=sampler,
            storage=storage,
            episodes=episodes,
            data=data,
            runtime=runtime,
            update=update,
        )
    print(f"best of {best.trials} trials: {100 * best.accuracy:.2f} % on meta-validation; {_of_first(best)}")
    found = [*(overrides or ()), *configs.as_overrides(best.settings), f"trials={best.trials}"]
    print(" ".join(f"--set {shlex.quote(text)}" for text in found))


def _of_first(best: "Tuned") -> str:
    """How the trial with the values that the search began with did."""
    if best.first is None:
        return "the first trial, with the settings given, diverged"
    if best.first == best.accuracy:
        return "that is the first trial, with the settings given"
    return f"the first trial, with the settings given, had {100 * best.first:.2f} %"
