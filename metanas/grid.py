"""Several runs at once: their cells over worker processes, one bar each, then the leaderboard.

Workers are spawned, each with its share of the cores. A cell's error stops the rest and is shown as one
line; what finished stays, so the same command goes on from there.
"""

import json
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from queue import Empty
from typing import Any

from filelock import FileLock
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn, track

from metanas import executor, parallel, plugins
from metanas import run as runs
from metanas.config import RunConfig
from metanas.evaluation import report
from metanas.executor import Kind, end_with_parent, share_cores
from metanas.run import Cell

COLUMNS = (
    TextColumn("{task.description:<18}"),
    BarColumn(bar_width=24),
    TextColumn("{task.percentage:>3.0f} %"),
    TimeElapsedColumn(),
    TextColumn("left"),
    TimeRemainingColumn(),
    TextColumn("{task.fields[doing]}"),
)
Message = tuple[str, str, int]  # cell name, what is being done, units done
_queue: Any = None  # a worker's way to the parent


class CellFailed(RuntimeError):
    """A cell stopped with an error; what the others finished is kept."""


def run(
    wanted: Sequence[tuple[RunConfig, Path]], *, root: Path | None, jobs: int, db: str, pages: Path | None
) -> None:
    """Run, store and print. Work that is already done is not done again. Under torchrun, together."""
    with parallel.joined():
        console = Console(quiet=parallel.rank() > 0)
        cells = prepare(wanted, root, console)
        if parallel.world() > 1:
            _together(cells, console)
        else:
            _work(cells, min(jobs, max(len(cells), 1)), console)
        parallel.wait()
        if parallel.rank() == 0:
            finish(wanted, root=root, db=db, pages=pages, console=console)


def spread(
    wanted: Sequence[tuple[RunConfig, Path]], *, root: Path | None, jobs: int, kind: Kind, db: str
) -> None:
    """The same over an executor's workers, for runs of several suites; a worker that dies is tried again."""
    console = Console()
    cells = [cell for cell in prepare(wanted, root, console) if not is_done(cell)]
    done = executor.run(once, cells, jobs=jobs, kind=kind)
    for _ in track(done, "methods x suites x seeds", total=len(cells), console=console, disable=not cells):
        pass
    finish(wanted, root=root, db=db, pages=None, console=console)


def once(cell: Cell) -> None:
    """Work on a cell unless it is done; whoever comes second waits and finds it done."""
    cell.path.mkdir(parents=True, exist_ok=True)
    with FileLock(cell.path / "cell.lock"):
        if not is_done(cell):
            runs.work(cell, lambda doing, done: None)


def is_done(cell: Cell) -> bool:
    """Its costs are what a cell writes last."""
    return (cell.path / "costs.json").exists()


def prepare(wanted: Sequence[tuple[RunConfig, Path]], root: Path | None, console: Console) -> list[Cell]:
    """The cells to be worked on, their data ready."""
    if parallel.rank() > 0:
        parallel.wait()  # the first process makes the folders
    cells = [cell for config, folder in wanted for cell in runs.prepare(config, folder, root)]
    for name, config in {config.suite.name: config for config, _ in wanted}.items():
        with console.status(f"preparing the data of {name}"):
            runs.open_domains(config, root)
    if parallel.rank() == 0:
        parallel.wait()
    return cells


def finish(
    wanted: Sequence[tuple[RunConfig, Path]],
    *,
    root: Path | None,
    db: str,
    pages: Path | None,
    console: Console,
) -> None:
    """Put the cells of every run together, store the runs and print them."""
    store = plugins.load("leaderboard.store.store").Store(db)
    board = plugins.load("leaderboard.pages")
    for config, folder in wanted:
        if not (folder / "submission.json").exists():
            runs.finish(config, folder, root)
        store.add(folder)
    for config, folder in wanted:
        report.build([folder], folder / "report.html", twins=False)
        _print_architectures(console, config, folder)
    for table in board.show(store, console.width):
        console.print(table)
    console.print("runs:", ", ".join(str(folder) for _, folder in wanted), soft_wrap=True)
    if pages is not None:
        console.print(f"leaderboard pages: {board.export(store, pages).resolve()}", soft_wrap=True)


def _together(cells: Sequence[Cell], console: Console) -> None:
    """One cell after the other, each by all processes; the first one shows how far they are."""
    with Progress(*COLUMNS, console=console, disable=parallel.rank() > 0) as progress:
        for cell in cells:
            bar = progress.add_task(cell.name, total=cell.steps, doing="")
            runs.work(cell, lambda doing, done, bar=bar: progress.update(bar, completed=done, doing=doing))  # type: ignore[misc]


def _work(cells: Sequence[Cell], jobs: int, console: Console) -> None:
    context = get_context("spawn")
    queue: Any = context.Queue()
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(queue, jobs))
    with Progress(*COLUMNS, console=console, disable=not cells) as progress:
        bars = {
            cell.name: progress.add_task(cell.name, total=cell.steps, start=False, doing="waiting")
            for cell in cells
        }
        stop = threading.Event()
        listener = threading.Thread(target=_listen, args=(queue, progress, bars, stop))
        listener.start()
        try:
            pending = {cell.name: pool.submit(_cell, cell) for cell in cells}
            for name, future in pending.items():
                if (problem := future.result()) is not None:
                    raise CellFailed(f"{name}: {problem}")
        except BaseException:
            _kill(pool)
            raise
        finally:
            stop.set()
            listener.join()
            pool.shutdown(wait=True, cancel_futures=True)


def _listen(queue: Any, progress: Progress, bars: dict[str, Any], stop: threading.Event) -> None:
    while not (stop.is_set() and queue.empty()):
        try:
            name, doing, done = queue.get(timeout=0.1)
        except Empty:
            continue
        progress.start_task(bars[name])
        progress.update(bars[name], completed=done, doing=doing)


def _begin(queue: Any, jobs: int) -> None:
    global _queue
    _queue = queue
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides, and ends us
    end_with_parent()
    share_cores(jobs)


def _cell(cell: Cell) -> str | None:
    """One cell in a worker; an error that a user can cause comes back as its message."""

    def tell(doing: str, done: int) -> None:
        _queue.put((cell.name, doing, done))

    try:
        runs.work(cell, tell)
        tell("done", cell.steps)
    except (RuntimeError, ValueError, OSError, KeyError) as error:
        if type(error).__module__.startswith("metanas") or isinstance(error, OSError):
            return str(error)
        raise
    return None


def _kill(pool: ProcessPoolExecutor) -> None:
    for process in list((pool._processes or {}).values()):
        process.kill()


def _print_architectures(console: Console, config: RunConfig, folder: Path) -> None:
    tasks = json.loads((folder / "architecture.json").read_text(encoding="utf-8"))["tasks"]
    for name, found in tasks.items():
        console.print(f"{config.method:>10} {name:<20} {found['text']}", highlight=False)
