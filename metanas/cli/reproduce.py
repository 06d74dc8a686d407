"""`metanas reproduce ROW`: run a row of a paper's table and compare the result with the published one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from metanas.cli.common import BOARD, Database, Device, Precision, Roots, Workers, data_root, numbers

if TYPE_CHECKING:
    from metanas.studies.paper_rows import Row, Scale


def reproduce(
    row: Annotated[str, typer.Argument(help="A row; see `metanas list rows`.")],
    scale: Annotated[Literal["paper", "small"], typer.Option(help="The paper's, or reduced.")] = "small",
    out: Annotated[Path | None, typer.Option(help="Run folder. Default: runs/rows/ROW-SCALE.")] = None,
    seeds: Annotated[str, typer.Option(help="Seeds: 0,1,2. Default: the row's.")] = "",
    jobs: Annotated[int, typer.Option(min=1, max=1024, help="Worker processes.")] = 1,
    workers: Workers = 0,
    device: Device = "auto",
    precision: Precision = "float32",
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="key=value; replaces settings of the row."),
    ] = None,
    root: Roots = None,
    db: Database = BOARD,
) -> None:
    """Run a row of a paper's table; print the published accuracy, ours with its interval, and a verdict."""
    from metanas.base import distributed
    from metanas.engine import config as configs
    from metanas.engine.runtime import Runtime
    from metanas.studies import grid
    from metanas.studies import paper_rows as rows

    runtime, loaded = Runtime(device, precision), rows.load(row)
    if scale not in loaded.scales:
        raise configs.ConfigError(f"{row} has no {scale} scale; it has: {', '.join(loaded.scales)}")
    setup = loaded.scales[scale]
    config = configs.resolve(
        loaded.method,
        loaded.suite,
        budget=setup.budget,
        domains=loaded.domains,
        seeds=numbers(seeds) or setup.seeds,
        overrides=[*setup.overrides, *(overrides or ())],
    )
    folder = out or Path("runs") / "rows" / f"{row}-{scale}"
    with distributed.process_group(runtime.place):
        is_first = distributed.rank() == 0
        if is_first:
            print(f"{loaded.paper}, {loaded.table}\n{loaded.protocol}")
            print(f"expected: {setup.hours} hours. {setup.note}")
        grid.run([(config, folder)], root=data_root(root), jobs=jobs, workers=workers, db=db, runtime=runtime)
        if is_first:
            _show(loaded, scale, folder, changed=bool(overrides))


def _show(row: "Row", scale: "Scale", folder: Path, *, changed: bool) -> None:
    """Print a table of the row's tasks with verdicts. changed: settings of the row were changed."""
    from rich.console import Console
    from rich.table import Column, Table

    from metanas.evaluation import result, statistics
    from metanas.studies import paper_rows as rows

    small = f"The small scale is not the paper's protocol. {row.scales[scale].note}"
    small += f" Also: {row.why_not}." if row.why_not else ""
    table = Table(
        Column("task", no_wrap=True),
        *("published", "ours [95 %]", "verdict"),
        title=f"{row.name}, {scale} scale",
        caption=small if scale == "small" else None,
    )
    for name, answers in result.read(folder).answers.items():
        ours = statistics.estimate({name: answers.accuracy}).interval()
        found = (100 * ours.mean, 100 * ours.low, 100 * ours.high)
        verdict = rows.verdict(row, scale, name, *found, changed=changed)
        table.add_row(
            name,
            str(verdict.published or ""),
            f"{verdict.ours:.2f} [{verdict.low:.2f}, {verdict.high:.2f}]",
            verdict.word,
        )
    Console().print(table)
