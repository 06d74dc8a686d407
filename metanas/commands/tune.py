"""`metanas tune METHOD`: hyperparameter search on meta-validation classes."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from metanas.commands.common import Root, names


def tune(
    method: Annotated[str, typer.Argument(help="A method.")],
    trials: Annotated[int, typer.Option(min=1, help="Finished trials the study shall have.")] = 20,
    sampler: Annotated[Literal["tpe", "gp", "random"], typer.Option(help="Who proposes.")] = "tpe",
    over: Annotated[
        list[str] | None,
        typer.Option("--over", help="key=low..high or key=a|b. Default: all rates and the width."),
    ] = None,
    suite: Annotated[str, typer.Option(help="A suite.")] = "mini-v1",
    domains: Annotated[str, typer.Option(help="Only these domains of it: a,b.")] = "",
    budget: Annotated[str, typer.Option(help="smoke | small | full")] = "small",
    episodes: Annotated[int, typer.Option(min=1, help="Validation episodes per domain and shots.")] = 100,
    storage: Annotated[str, typer.Option(help="Where trials are kept.")] = "sqlite:///runs/tune.db",
    overrides: Annotated[list[str] | None, typer.Option("--set", help="key=value, as for run.")] = None,
    root: Root = None,
) -> None:
    """Search a method's settings on meta-validation episodes; run it again, or twice at once, to go on."""
    from metanas import config as configs
    from metanas import tune as tuning

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
    best = tuning.tune(
        config,
        ranges,
        overrides=overrides or (),
        trials=trials,
        sampler=sampler,
        storage=storage,
        episodes=episodes,
        root=root,
    )
    print(f"best of {best.trials} trials: {100 * best.accuracy:.2f} % on meta-validation")
    print(" ".join(f"--set {key}={value}" for key, value in best.settings.items()))
