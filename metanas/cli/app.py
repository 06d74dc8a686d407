"""The command line `metanas`: all commands, and how errors become exit codes.

Every command imports what it needs when it runs, so that listing and help stay fast.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from metanas.base import extras, interrupt
from metanas.base.errors import MetanasError
from metanas.cli import (
    admin,
    arch,
    board,
    bundle,
    challenge,
    check,
    common,
    compare,
    data,
    evaluate,
    grid,
    new,
    report,
    reproduce,
    review,
    state,
    suite,
    table,
    transfer,
    tune,
)
from metanas.cli.common import (
    BOARD,
    AsJson,
    Controls,
    Database,
    Device,
    Precision,
    Regret,
    Roots,
    Workers,
    data_root,
    fail,
    names,
    numbers,
    print_rows,
    warn,
)

app = typer.Typer(
    help="MetaNAS-Bench: meta-learning and architecture search across images, text and speech.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of every error.")] = False,
) -> None:
    """MetaNAS-Bench: meta-learning and architecture search across images, text and speech."""


app.add_typer(board.app, name="leaderboard")
admin.hook(board.app)
review.hook(board.app)
bundle.hook(app)
new.hook(app)
app.add_typer(data.app, name="data")
app.add_typer(arch.app, name="arch")
app.add_typer(challenge.app, name="challenge")
app.add_typer(table.app, name="table")
app.add_typer(suite.app, name="suite")
app.add_typer(state.app, name="state")
for command in (compare.compare, evaluate.evaluate, report.report, reproduce.reproduce, transfer.transfer):
    app.command()(command)
app.command()(tune.tune)
app.command()(check.check)
app.command()(grid.grid)
KINDS = (
    "domains",
    "suites",
    "methods",
    "networks",
    "ops",
    "activations",
    "strategies",
    "rows",
    "searchers",
    "tables",
    "states",
)


@app.command("list")
def list_command(
    kind: Annotated[str, typer.Argument(help=" | ".join((*KINDS, "settings METHOD")))],
    method: Annotated[str, typer.Argument(help="With settings: a method.")] = "",
    as_json: AsJson = False,
) -> None:
    """List what there is of a kind (domains, suites, methods, ...), or what --set takes with a method."""
    from metanas.cli import listing

    if kind == "settings":
        if not method:
            fail("name a method: metanas list settings maml")
        print_rows(listing.settings(method), ("key", "values", "default"), as_json=as_json)
        return
    if method:
        fail(f"`metanas list {kind}` takes no further word, got {method!r}")
    if kind not in KINDS:
        fail(f"nothing of kind {kind!r} to list; there are: {', '.join((*KINDS, 'settings'))}")
    print_rows(listing.rows(kind), ("name", "summary"), as_json=as_json)
    for problem in listing.problems(kind):
        warn(problem)


@app.command()
def run(
    method: Annotated[list[str], typer.Option("--method", help="A method; may be given several times.")],
    suite: Annotated[str, typer.Option(help="A suite: a name, or a YAML file.")] = "mini-v1",
    domains: Annotated[str, typer.Option(help="Domains of the suite: a,b. Default: all.")] = "",
    seeds: Annotated[str, typer.Option(help="Seeds: 0,1,2. Default: the suite's.")] = "",
    budget: Annotated[str, typer.Option(help="smoke | demo | small | full | small-2T ...")] = "small",
    out: Annotated[Path | None, typer.Option(help="Run folder (with several methods: its parent).")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=1024, help="Worker processes.")] = os.cpu_count() or 1,
    workers: Workers = 0,
    device: Device = "auto",
    precision: Precision = "float32",
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="key=value, e.g. steps=3, suite.shots=[1], tracking=wandb"),
    ] = None,
    root: Roots = None,
    controls: Controls = True,
    regret: Regret = False,
    db: Database = BOARD,
    pages: Annotated[Path | None, typer.Option(help="Folder to write the leaderboard's pages to.")] = None,
) -> None:
    """Meta-train, evaluate on the pinned test episodes, and add the result to the leaderboard."""
    from metanas.engine import config
    from metanas.engine.runtime import Runtime
    from metanas.studies import grid as grids

    runtime = Runtime(device, precision)
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
        folders = [out or Path("runs") / c.suite.name / budget / c.method for c in configs]
    grids.run(
        list(zip(configs, folders, strict=True)),
        root=data_root(root),
        jobs=jobs,
        workers=workers,
        controls=controls,
        regret=regret,
        db=db,
        pages=pages,
        runtime=runtime,
    )


def main() -> NoReturn:
    """Run the command line. An error that the user can correct is one line on stderr and its exit code.

    Codes: 2 usage, 3 a result that is not valid, 4 a server that refuses, 130 Ctrl-C. Every other error is a
    bug and shows its traceback; `--debug`, anywhere in the command, shows it for all errors.
    """
    words = sys.argv[1:]
    if debug := "--debug" in words:
        words.remove("--debug")
        common.debug = True
    interrupt.listen()
    try:
        code = app(words, standalone_mode=False)
        if code == 130:  # how typer reports Ctrl-C
            print(interrupt.MESSAGE, file=sys.stderr)
    except Exception as error:
        if interrupt.asked():  # what a library made of it
            print(interrupt.MESSAGE, file=sys.stderr)
            sys.exit(130)
        if debug or (code := _exit_code(error)) is None:
            raise
        warn(_message(error, words))
    sys.exit(code if isinstance(code, int) else 0)


def _exit_code(error: Exception) -> int | None:
    """The exit code of an error that a user can cause; None for a bug."""
    if isinstance(error, MetanasError):
        return error.exit_code
    if hasattr(error, "format_message") or isinstance(error, OSError):  # click's usage errors; files, network
        return 2
    if isinstance(error, ModuleNotFoundError) and extras.missing(error) is not None:
        return 2
    return 2 if _is_memory(error) else None


def _is_memory(error: Exception) -> bool:
    """Whether memory did not do: of the machine, for which torch has no class of its own, or of a card."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and "allocate memory" in str(error)


def _message(error: Exception, words: Sequence[str]) -> str:
    if isinstance(error, ModuleNotFoundError):
        return extras.missing(error) or str(error)
    if _is_memory(error):
        reason = next(filter(None, str(error).splitlines()), "").strip()
        return f"out of memory: {reason}; give a smaller space.channels or budget.tasks, or fewer --jobs"
    if hasattr(error, "format_message"):
        return f"{error.format_message()}{_given(error, words)}"
    return str(error) or type(error).__name__


def _given(error: Exception, words: Sequence[str]) -> str:
    """What stands on the command line for the option that a usage error is about: ", got 0"."""
    options = getattr(getattr(error, "param", None), "opts", ())
    places = [i + 1 for i, word in enumerate(words[:-1]) if word.startswith("-") and word in options]
    return f", got {words[places[-1]]!r:.60}" if places else ""


if __name__ == "__main__":
    main()
