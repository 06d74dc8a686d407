"""The command line. Nothing heavy is imported until a command needs it."""

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from metanas.commands import (
    admin,
    arch,
    board,
    bundle,
    challenge,
    compare,
    data,
    evaluate,
    grid,
    new,
    report,
    reproduce,
    transfer,
    tune,
)
from metanas.commands.common import BOARD, AsJson, Database, Root, fail, names, numbers, print_rows

app = typer.Typer(
    help="MetaNAS-Bench: meta-learning and architecture search across images, text and speech.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(board.app, name="leaderboard")
admin.hook(board.app)
bundle.hook(app)
new.hook(app)
app.add_typer(data.app, name="data")
app.add_typer(arch.app, name="arch")
app.add_typer(challenge.app, name="challenge")
for command in (compare.compare, evaluate.evaluate, report.report, reproduce.reproduce, transfer.transfer):
    app.command()(command)
app.command()(tune.tune)
app.command()(grid.grid)
KINDS = ("domains", "suites", "methods", "networks", "ops", "activations", "strategies", "rows")


@app.command("list")
def list_command(
    kind: Annotated[str, typer.Argument(help=" | ".join(KINDS))], as_json: AsJson = False
) -> None:
    """What there is: domains, suites, methods, networks, ops, activations, strategies, rows."""
    from metanas import listing

    if kind not in KINDS:
        fail(f"nothing of kind {kind!r} to list; there are: {', '.join(KINDS)}")
    rows = listing.rows(kind)
    print_rows(rows, ("name", "summary"), as_json=as_json)


@app.command()
def run(
    method: Annotated[list[str], typer.Option("--method", help="A method; may be given several times.")],
    suite: Annotated[str, typer.Option(help="A suite.")] = "mini-v1",
    domains: Annotated[str, typer.Option(help="Only these domains of it: a,b.")] = "",
    seeds: Annotated[str, typer.Option(help="Seeds: 0,1,2. Default: the suite's.")] = "",
    budget: Annotated[str, typer.Option(help="smoke | small | full")] = "small",
    out: Annotated[Path | None, typer.Option(help="Run folder (with several methods: their parent).")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes.")] = os.cpu_count() or 1,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="key=value, e.g. steps=3, suite.shots=[1], tracking=wandb"),
    ] = None,
    root: Root = None,
    db: Database = BOARD,
    pages: Annotated[Path | None, typer.Option(help="Write the leaderboard's pages here.")] = None,
) -> None:
    """Meta-train, evaluate on the pinned test episodes, and add the result to the leaderboard."""
    from metanas import config
    from metanas import grid as grids

    configs = [
        config.resolve(
            name,
            suite,
            budget=budget,
            domains=names(domains),
            seeds=numbers(seeds),
            overrides=overrides or (),
        )
        for name in dict.fromkeys(method)
    ]
    if out is not None and len(configs) > 1:
        folders = [out / c.method for c in configs]
    else:
        folders = [out or Path("runs") / suite / budget / c.method for c in configs]
    grids.run(list(zip(configs, folders, strict=True)), root=root, jobs=jobs, db=db, pages=pages)


def main() -> NoReturn:
    """The entry point: an expected error is one line on stderr and a code (2, 3 result, 130 Ctrl-C)."""
    try:
        code = app(standalone_mode=False)
        if code == 130:  # how typer reports Ctrl-C
            _say("interrupted; run the same command again to go on from the last checkpoint", 130)
    except Exception as error:
        if (number := _expected(error)) is None:
            raise
        code = _say(str(error) or type(error).__name__, number)
    sys.exit(code if isinstance(code, int) else 0)


def _expected(error: Exception) -> int | None:
    """The exit code of an error that a user can cause; None for a bug, which keeps its traceback."""
    if hasattr(error, "format_message"):  # click's usage errors
        return 2
    if isinstance(error, OSError):
        return 2
    codes = {"ConfigError": 2, "UnknownName": 2, "ValueError": 2, "ResultError": 3}
    names = {
        "PluginError": 2,
        "StoreError": 2,
        "BlobError": 2,
        "TokenError": 2,
        "ReceiptError": 3,
        "BundleError": 3,
        "ServerRefused": 4,
        "VerifyError": 3,
        "ChainBroken": 3,
        "DataError": 2,
        "TrainError": 2,
        "ProtocolError": 2,
        "CellFailed": 2,
        "ExecutorError": 2,
    }
    return {**codes, **names}.get(type(error).__name__)


def _say(message: str, code: int) -> int:
    print(f"metanas: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
