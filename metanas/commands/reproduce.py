"""`metanas reproduce ROW`: run a paper's row and say what came out beside what was published."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from metanas.commands.common import BOARD, Database, Root

if TYPE_CHECKING:
    from metanas.reproduce import Figure, Row, Scale


def reproduce(
    row: Annotated[str, typer.Argument(help="A row, see `metanas list rows`.")],
    scale: Annotated[Literal["paper", "small"], typer.Option(help="The paper's, or less.")] = "small",
    out: Annotated[Path | None, typer.Option(help="Run folder, which is the bundle too.")] = None,
    seeds: Annotated[str, typer.Option(help="Seeds: 0,1,2. Default: the row's.")] = "",
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="key=value, after the row's own."),
    ] = None,
    root: Root = None,
    db: Database = BOARD,
) -> None:
    """Run a paper's row; print published, ours with interval, verdict; leave a bundle for the leaderboard."""
    from metanas import config as configs
    from metanas import grid, parallel
    from metanas import reproduce as rows

    wanted = rows.load(row)
    if scale not in wanted.scales:
        raise configs.ConfigError(f"{row} has no {scale} scale; it has: {', '.join(wanted.scales)}")
    setup = wanted.scales[scale]
    config = configs.resolve(
        wanted.method,
        wanted.suite,
        budget=setup.budget,
        domains=wanted.domains,
        seeds=tuple(int(seed) for seed in seeds.split(",") if seed) or setup.seeds,
        overrides=[*setup.overrides, *(overrides or ())],
    )
    folder = out or Path("runs") / "rows" / f"{row}-{scale}"
    with parallel.joined():
        speaks = parallel.rank() == 0
        if speaks:
            print(f"{wanted.paper}, {wanted.table}\n{wanted.protocol}")
            print(f"expected: {setup.hours} hours. {setup.note}")
        grid.run([(config, folder)], root=root, jobs=jobs, db=db, pages=None)
        if speaks:
            _show(wanted, scale, folder)


def _show(row: "Row", scale: "Scale", folder: Path) -> None:
    """Print the row's tasks with a verdict each."""
    from rich.console import Console
    from rich.table import Table

    from metanas import reproduce as rows
    from metanas.evaluation import result, stats

    table = Table("task", "published", "ours [95 %]", "verdict", title=f"{row.name}, {scale} scale")
    for name, answers in result.read(folder).answers.items():
        scored = stats.estimate({name: answers.accuracy}).interval()
        found = rows.verdict(row, scale, name, 100 * scored.mean, 100 * scored.low, 100 * scored.high)
        table.add_row(
            name,
            _figure(found.published),
            f"{found.ours:.2f} [{found.low:.2f}, {found.high:.2f}]",
            found.word,
        )
    Console().print(table)


def _figure(figure: "Figure | None") -> str:
    if figure is None:
        return ""
    return f"{figure.accuracy:.2f}" + (f" +- {figure.interval:.2f}" if figure.interval is not None else "")
