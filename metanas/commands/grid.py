"""`metanas grid`: methods x suites x seeds over worker processes, here or on a Ray cluster."""

import os
from pathlib import Path
from typing import Annotated

import typer

from metanas.commands.common import BOARD, Database, Root, executor_kind, fail, names, numbers


def grid(
    methods: Annotated[str, typer.Option(help="Methods: a,b.")],
    suites: Annotated[str, typer.Option(help="Suites: a,b.")] = "mini-v1",
    domains: Annotated[str, typer.Option(help="Only these domains of every suite: a,b.")] = "",
    seeds: Annotated[str, typer.Option(help="Seeds: 0,1,2. Default: each suite's.")] = "",
    budget: Annotated[str, typer.Option(help="smoke | small | full")] = "small",
    out: Annotated[Path, typer.Option(help="Where the run folders go: SUITE/BUDGET/METHOD.")] = Path("runs"),
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes.")] = os.cpu_count() or 1,
    executor: Annotated[str, typer.Option(help="local | ray")] = "local",
    overrides: Annotated[list[str] | None, typer.Option("--set", help="key=value, as for `run`.")] = None,
    root: Root = None,
    db: Database = BOARD,
) -> None:
    """Run every method on every suite; a cell is done once, however often and wherever this is started."""
    from metanas import config
    from metanas import grid as grids

    kind = executor_kind(executor)
    if not names(methods) or not names(suites):
        fail("--methods and --suites want at least one name each")
    wanted = []
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
            wanted.append((resolved, out / suite / budget / method))
    grids.spread(wanted, root=root, jobs=jobs, kind=kind, db=db)
