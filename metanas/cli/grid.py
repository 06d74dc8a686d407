"""`metanas grid`: methods x suites x seeds, by worker processes on this machine or on a Ray cluster."""

import os
from pathlib import Path
from typing import Annotated

import typer

from metanas.cli.common import (
    BOARD,
    Controls,
    Database,
    Device,
    Precision,
    Regret,
    Roots,
    Workers,
    data_root,
    executor_kind,
    fail,
    names,
    numbers,
)


def grid(
    methods: Annotated[str, typer.Option(help="Methods: a,b.")],
    suites: Annotated[str, typer.Option(help="Suites: a,b.")] = "mini-v1",
    domains: Annotated[str, typer.Option(help="Domains of every suite: a,b. Default: all.")] = "",
    seeds: Annotated[str, typer.Option(help="Seeds: 0,1,2. Default: each suite's.")] = "",
    budget: Annotated[str, typer.Option(help="smoke | demo | small | full | small-2T ...")] = "small",
    out: Annotated[Path, typer.Option(help="Folder of the run folders SUITE/BUDGET/METHOD.")] = Path("runs"),
    jobs: Annotated[int, typer.Option(min=1, max=1024, help="Worker processes.")] = os.cpu_count() or 1,
    workers: Workers = 0,
    device: Device = "auto",
    precision: Precision = "float32",
    executor: Annotated[str, typer.Option(help="local | ray")] = "local",
    overrides: Annotated[list[str] | None, typer.Option("--set", help="key=value, as for `run`.")] = None,
    root: Roots = None,
    controls: Controls = True,
    regret: Regret = False,
    db: Database = BOARD,
) -> None:
    """Run every method on every suite. No seed run is done twice; several such commands share the work."""
    from metanas.engine import config
    from metanas.engine.runtime import Runtime
    from metanas.studies import grid as grids

    runtime = Runtime(device, precision)
    kind = executor_kind(executor)
    if not names(methods) or not names(suites):
        fail("--methods and --suites want at least one name each")
    runs = []
    for suite in names(suites):
        for method in names(methods):
            resolved = config.resolve(
                method,
                suite,
                budget=budget,
                domains=names(domains),
                seeds=numbers(seeds),
                overrides=overrides or (),
            )
            runs.append((resolved, out / resolved.suite.name / budget / method))
    grids.run(
        runs,
        root=data_root(root),
        jobs=jobs,
        kind=kind,
        workers=workers,
        controls=controls,
        regret=regret,
        db=db,
        runtime=runtime,
    )
