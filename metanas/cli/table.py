"""`metanas table ...`: build a table of stand-alone accuracies, look into one, search on one."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from metanas.base.atomic import write_atomically
from metanas.base.ranges import MANY
from metanas.cli.common import (
    AsJson,
    Device,
    Precision,
    Roots,
    data_root,
    executor_kind,
    group,
    names,
    numbers,
    print_rows,
)

app = group("Tables of stand-alone accuracies: build one, look into it, search on it.")
Name = Annotated[str, typer.Option("--table", help="A table by name, or a .parquet file.")]


@app.command()
def build(
    definition: Annotated[str, typer.Argument(help="table-v1, or a YAML file.")] = "table-v1",
    out: Annotated[Path | None, typer.Option(help="The folder that keeps what is done.")] = None,
    jobs: Annotated[
        int, typer.Option(min=1, max=1024, help="Worker processes, one thread each.")
    ] = os.cpu_count() or 1,
    executor: Annotated[str, typer.Option(help="local | ray")] = "local",
    device: Device = "auto",
    precision: Precision = "float32",
    root: Roots = None,
) -> None:
    """Train every listed architecture alone on every domain; the same command goes on after a kill."""
    from rich.console import Console

    from metanas.engine.runtime import Runtime
    from metanas.studies import progress, table_build
    from metanas.tables.definition import load_definition

    loaded = load_definition(definition)
    folder = out or Path("runs") / "table" / loaded.name
    kind = executor_kind(executor)
    runtime = Runtime(device, precision)
    built = table_build.build(loaded, folder, root=data_root(root), jobs=jobs, kind=kind, runtime=runtime)
    done, total = next(built)
    with progress.shown([loaded.name], [total], Console()) as update:
        update(0, "architectures x domains x seeds", done)
        for done, _ in built:
            update(0, "architectures x domains x seeds", done)
    print(folder / f"{loaded.name}.parquet")


@app.command()
def show(
    table: Name = "table-v1",
    domain: Annotated[str, typer.Option(help="A domain of the table, or shared.")] = "shared",
    top: Annotated[int, typer.Option(min=1, max=MANY, help="How many architectures.")] = 10,
    as_json: AsJson = False,
) -> None:
    """List the best architectures of a domain by meta-validation, with test accuracy, regret and cost."""
    from metanas.tables.table import load_table

    loaded = load_table(table)
    chosen = loaded.accuracies(domain, "val").argsort()[::-1][:top].tolist()
    test, regrets = loaded.accuracies(domain), loaded.regrets(domain)
    rows = [
        {
            "architecture": loaded.text(place),
            "validation %": f"{100 * loaded.accuracies(domain, 'val')[place]:.1f}",
            "test %": f"{100 * test[place]:.1f}",
            "regret": f"{regrets[place]:.2f}",
            "parameters": int(loaded.parameters[place]),
        }
        for place in chosen
    ]
    print_rows(rows, tuple(rows[0]), as_json=True) if as_json else _print(rows)


@app.command()
def search(
    table: Name = "table-v1",
    searcher: Annotated[
        list[str] | None, typer.Option(help="metanas list searchers; may be repeated. Default: all.")
    ] = None,
    domains: Annotated[str, typer.Option(help="a,b or shared. Default: each, then shared.")] = "",
    queries: Annotated[int, typer.Option(min=1, max=MANY, help="Trainings that a search looks at.")] = 100,
    repetitions: Annotated[int, typer.Option(min=1, max=MANY, help="Searches of each kind.")] = 100,
    out: Annotated[Path, typer.Option(help="Folder for the figures and the picture.")] = Path(
        "runs/table/search"
    ),
) -> None:
    """Search on a table: regret over queries, as search.json, search.csv and regret.svg."""
    from metanas.search.searcher import SEARCHERS
    from metanas.studies import progress, table_search
    from metanas.tables.table import load_table

    loaded = load_table(table)
    wanted = [
        (name, domain)
        for domain in names(domains) or table_search.domains_of(loaded)
        for name in searcher or SEARCHERS
    ]
    searches = [
        table_search.search(loaded, name, domain, queries=queries, repetitions=repetitions)
        for name, domain in progress.tracked(wanted, "searches", len(wanted))
    ]
    table_search.write(searches, loaded, out)
    marks = sorted({1, *(n for n in table_search.MARKS if n < queries), queries})
    rows = [
        {"domain": s.domain, "searcher": s.searcher, **{f"after {n}": s.at(n) for n in marks}}
        for s in searches
    ]
    _print(rows)
    print(out)


@app.command()
def tau(
    run: Annotated[Path, typer.Argument(help="A run folder with a trained supernet.")],
    table: Name = "table-v1",
    seeds: Annotated[str, typer.Option(help="Seeds of the run: 0,1. Default: all.")] = "",
    episodes: Annotated[
        int, typer.Option(min=1, max=MANY, help="Meta-validation episodes per domain and shots.")
    ] = 40,
    out: Annotated[Path | None, typer.Option(help="A JSON file to write to as well.")] = None,
    root: Roots = None,
) -> None:
    """Kendall's tau between a supernet's ranking with inherited weights and the stand-alone one."""
    from metanas.engine import config
    from metanas.studies import table_tau
    from metanas.tables.table import load_table

    loaded = load_table(table)
    chosen = numbers(seeds) or config.of_run(run).seeds
    rows = []
    for seed in chosen:
        listed, accuracies = table_tau.inherited(
            loaded, run, seed=seed, episodes=episodes, root=data_root(root)
        )
        rows += [{"seed": seed, **vars(t)} for t in table_tau.kendall(loaded, accuracies, listed)]
    if out is not None:
        write_atomically(out, (json.dumps(rows, indent=1) + "\n").encode())
    shown = [{k: f"{v:.2f}" if isinstance(v, float) else v for k, v in row.items()} for row in rows]
    _print(shown)


@app.command()
def page(
    table: Name = "table-v1",
    out: Annotated[Path, typer.Option(help="The page; its picture is written beside it.")] = Path(
        "docs/table.md"
    ),
    taus: Annotated[
        list[Path] | None, typer.Option("--tau", help="What `table tau --out` wrote; may be repeated.")
    ] = None,
) -> None:
    """Write the page about a table: what it holds, what choices cost, how searchers do."""
    from metanas.studies import table_page
    from metanas.tables.table import load_table

    table_page.write(load_table(table), out, taus or [])
    print(out)


def _print(rows: Sequence[dict[str, Any]]) -> None:
    """Rows as aligned text below the names of their columns."""
    head = {name: name for name in rows[0]}
    print_rows([head, *rows], tuple(head), as_json=False)
