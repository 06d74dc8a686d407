"""Several runs at once: their seed runs over worker processes, then the leaderboard.

A seed run's error stops the rest and is shown as one line; what finished stays, so the same command goes on
from there. Two commands at once share the work: no seed run is done twice.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock
from rich.console import Console

from metanas.base import distributed, executor, plugins
from metanas.base.errors import MetanasError
from metanas.base.executor import Kind
from metanas.data.datasets import Datasets
from metanas.data.roots import DataRoot
from metanas.engine import collect
from metanas.engine import run as runs
from metanas.engine.config import RunConfig
from metanas.engine.runtime import CPU, Runtime
from metanas.engine.seed_run import ProgressCallback, SeedRun, check_trains
from metanas.evaluation import report
from metanas.evaluation.architectures import derived_texts
from metanas.evaluation.result import SUBMISSION
from metanas.studies import progress
from metanas.studies.outputs import check_outputs

Wanted = Sequence[tuple[RunConfig, Path]]  # what is to be run, and its run folder


class SeedRunFailed(MetanasError):
    """A seed run stopped with an error; what the others finished is kept."""


class SeedRunDamaged(SeedRunFailed):
    """A file of a seed run is damaged; the message says which and what to do."""

    exit_code = 3


def run(
    wanted: Wanted,
    *,
    root: DataRoot,
    jobs: int,
    db: str | None,
    kind: Kind = "local",
    workers: int = 0,
    controls: bool = True,
    regret: bool = False,
    pages: Path | None = None,
    console: Console | None = None,
    runtime: Runtime = CPU,
) -> list[Datasets]:
    """Do all seed runs, complete the run folders, store the runs and print them; returns each run's data.

    What is done already is not done again. Under torchrun all processes work on each seed run together.
    jobs, kind: see `executor.run`. workers: processes that draw batches, for each seed run. controls, regret:
    as of `SeedRun`. db: the leaderboard, None for none. pages: a folder for its pages. runtime: where to
    compute; several cards take the seed runs in turn.
    What can fail after training is asked before it (`outputs.py`).
    """
    with distributed.process_group(runtime.place):
        console = console or Console()
        console.quiet = console.quiet or distributed.rank() > 0
        if distributed.rank() == 0:
            check_outputs(wanted, db, pages)
        data = _open(wanted, root, console)
        seed_runs = _prepare(wanted, data, workers, controls=controls, regret=regret)
        if distributed.world_size() > 1:
            kind = "inline"
        places = runtime.shared(len(seed_runs), kind)
        seed_runs = [replace(s, runtime=place) for s, place in zip(seed_runs, places, strict=True)]
        names, steps = [s.name for s in seed_runs], [s.steps for s in seed_runs]
        with progress.shown(names, steps, console) as on_progress:
            for _ in executor.run(
                seed_run_once,
                seed_runs,
                jobs=jobs,
                kind=kind,
                on_progress=on_progress,
                cards=int(runtime.place.type == "cuda"),
            ):
                pass
        distributed.barrier()
        if distributed.rank() == 0:
            for (config, folder), opened in zip(wanted, data, strict=True):
                if not (folder / SUBMISSION).exists():
                    collect.finish(config, folder, opened)
            if db is not None:
                _publish(wanted, db, pages, console)
        return data


def seed_run_once(seed_run: SeedRun, report_progress: ProgressCallback) -> None:
    """Do a seed run unless it is done; whoever comes second waits and finds it done.

    SeedRunFailed for an error that the user can mend.
    """
    seed_run.path.mkdir(parents=True, exist_ok=True)
    try:
        if distributed.world_size() > 1:
            runs.work(seed_run, report_progress)
            return
        with FileLock(seed_run.path / "seed_run.lock"):
            if not seed_run.is_done():
                runs.work(seed_run, report_progress)
        report_progress("done", seed_run.steps)
    except (MetanasError, OSError) as error:
        kind = SeedRunDamaged if getattr(error, "exit_code", 0) == SeedRunDamaged.exit_code else SeedRunFailed
        raise kind(f"{seed_run.name}: {error}") from error


def _open(wanted: Wanted, root: DataRoot, console: Console) -> list[Datasets]:
    """The data of every run; runs of the same suite share one value."""
    opened: dict[str, Datasets] = {}
    datasets = []
    for config, _ in wanted:
        key = config.suite.model_dump_json()
        if key not in opened:
            with console.status(f"preparing the data of {config.suite.name}"):
                opened[key] = Datasets.open(config.suite, root)
        check_trains(config, opened[key])
        datasets.append(opened[key])
    return datasets


def _prepare(
    wanted: Wanted, data: Sequence[Datasets], workers: int, *, controls: bool, regret: bool
) -> list[SeedRun]:
    """The seed runs that are not done."""
    if distributed.rank() > 0:
        distributed.barrier()  # the first process makes the folders
    seed_runs = [
        seed_run
        for (config, folder), opened in zip(wanted, data, strict=True)
        for seed_run in runs.prepare(
            config, folder, opened, workers=workers, controls=controls, regret=regret
        )
    ]
    if distributed.rank() == 0:
        distributed.barrier()
    return seed_runs


def _publish(wanted: Wanted, db: str, pages: Path | None, console: Console) -> None:
    """Store the runs on the leaderboard, write their reports, and print what came out."""
    store: Any = plugins.load("leaderboard.store.store").Store(db)
    board: Any = plugins.load("leaderboard.web.static_site")
    tracks = {store.add(folder) for _, folder in wanted}
    for config, folder in wanted:
        report.build([folder], folder / "report.html", twins=False)
        _print_architectures(console, config, folder)
    for table in board.show(store, console.width, tracks):
        console.print(table)
    console.print("runs:", ", ".join(str(folder) for _, folder in wanted), soft_wrap=True)
    if pages is not None:
        console.print(f"leaderboard pages: {board.export(store, pages).resolve()}", soft_wrap=True)


def _print_architectures(console: Console, config: RunConfig, folder: Path) -> None:
    """The most frequent architecture of each task; nothing for a method without one."""
    found = derived_texts(folder)
    if found:
        console.print(f"{config.method}: the architecture that most episodes of a task were given")
    for name, text in found.items():
        console.print(f"  {name:<20} {text}", highlight=False)
