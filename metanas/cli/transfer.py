"""`metanas transfer`: a cross-domain transfer study, meta-training on some domains and testing on others."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from metanas.cli.common import Device, Precision, Roots, data_root, executor_kind, names, numbers


def transfer(
    method: Annotated[str, typer.Option(help="A method.")],
    train: Annotated[list[str], typer.Option(help="Meta-training domains a,b; loo; lom. May be repeated.")],
    test: Annotated[str, typer.Option(help="Test domains a,b. Default: all of the suite's.")] = "",
    suite: Annotated[str, typer.Option(help="A suite: a name, or a YAML file.")] = "mini-v1",
    domains: Annotated[str, typer.Option(help="Domains of the suite: a,b. Default: all.")] = "",
    seeds: Annotated[str, typer.Option(help="Seeds: 0,1,2. Default: the suite's.")] = "",
    budget: Annotated[str, typer.Option(help="smoke | demo | small | full | small-2T ...")] = "small",
    parts: Annotated[bool, typer.Option(help="Also weights only, swapped architectures, neither.")] = True,
    out: Annotated[Path | None, typer.Option(help="The study's folder.")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=1024, help="Worker processes.")] = os.cpu_count() or 1,
    device: Device = "auto",
    precision: Precision = "float32",
    executor: Annotated[str, typer.Option(help="local | ray")] = "local",
    overrides: Annotated[list[str] | None, typer.Option("--set", help="key=value, as for `run`.")] = None,
    root: Roots = None,
) -> None:
    """Evaluate sets of meta-training domains on test domains; the same command resumes a killed study."""
    from rich.console import Console

    from metanas.base import executor as executors
    from metanas.engine import config
    from metanas.engine.runtime import Runtime
    from metanas.evaluation import tables
    from metanas.evaluation import transfer as scored
    from metanas.evaluation.study import VARIANTS
    from metanas.studies import progress
    from metanas.studies import transfer as study

    kind, runtime = executor_kind(executor), Runtime(device, precision)
    resolved = config.resolve(
        method,
        suite,
        budget=budget,
        domains=names(domains),
        seeds=numbers(seeds),
        overrides=overrides or (),
    )
    folder = out or Path("runs") / "transfer" / resolved.suite.name / budget / method
    tests = names(test)
    variants = VARIANTS if parts else VARIANTS[:1]
    pieces = study.plan(resolved, train, tests, variants, folder, data_root(root), runtime, kind)
    cards = int(runtime.place.type == "cuda")
    done = executors.run(study.work, pieces, jobs=jobs, kind=kind, cards=cards)
    for _ in progress.tracked(done, f"{method}: rows x seeds", len(pieces)):
        pass
    study.finish(
        pieces, _arguments(method, train, test, suite, domains, seeds, budget, parts, overrides or ())
    )
    console = Console()
    for table in tables.transfer(scored.read(folder)):
        console.print(*tables.terminal(table, console.width), sep="\n")
    print(folder)


def _arguments(
    method: str,
    train: Sequence[str],
    test: str,
    suite: str,
    domains: str,
    seeds: str,
    budget: str,
    parts: bool,
    overrides: Sequence[str],
) -> list[str]:
    """The options that determine the predictions of a study, as typed; none that depend on this machine."""
    options = [("--method", method), *(("--train", row) for row in train), ("--suite", suite)]
    options += [
        (f"--{name}", text) for name, text in (("test", test), ("domains", domains), ("seeds", seeds)) if text
    ]
    options += [("--budget", budget), *(("--set", text) for text in overrides)]
    return [*(word for pair in options for word in pair), *([] if parts else ["--no-parts"])]
