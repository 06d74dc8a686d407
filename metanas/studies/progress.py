"""Progress of long work: bars on a terminal; where output is a file or a pipe, a line every ten seconds."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from metanas.base.executor import OnProgress

EVERY = 10.0  # seconds between two lines of a log
SHOWN = 4  # pieces that a log names at a time
DONE = "done"  # what a piece does when nothing is left; all steps may be done before
COLUMNS = (
    TextColumn("{task.description:<18}"),
    BarColumn(bar_width=24),
    TextColumn("{task.percentage:>3.0f} %"),
    TimeElapsedColumn(),
    TextColumn("left"),
    TimeRemainingColumn(),
    TextColumn("{task.fields[doing]}"),
)
T = TypeVar("T")


@dataclass
class _Piece:
    """A piece of work as a log shows it. begun: seconds, None while it waits."""

    name: str
    total: int
    doing: str = "waiting"
    done: int = 0
    begun: float | None = None

    @property
    def is_done(self) -> bool:
        return self.doing == DONE

    def line(self, now: float) -> str:
        """maml seed 0: meta-training, 34 %, 0:01:20, left 0:02:35"""
        gone = now - (self.begun if self.begun is not None else now)
        words = [self.doing, f"{100 * self.done // self.total} %", _clock(gone)]
        if 0 < self.done < self.total:
            words.append(f"left {_clock(gone * (self.total - self.done) / self.done)}")
        return f"{self.name}: {', '.join(words)}"


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


@contextmanager
def shown(names: Sequence[str], totals: Sequence[int], console: Console) -> Iterator[OnProgress]:
    """Show pieces of work; call what it gives with index, what is being done, and the steps that are done.

    totals: steps of each piece, at least 1.
    """
    if console.quiet or not names:
        yield lambda index, doing, done: None
    elif console.is_terminal:
        with _bars(names, totals, console) as update:
            yield update
    else:
        with _lines(names, totals, console) as update:
            yield update


def tracked(items: Iterable[T], name: str, total: int, console: Console | None = None) -> Iterator[T]:
    """The items, one by one, while the number of those that are done is shown."""
    with shown([name], [max(1, total)], console or Console()) as update:
        update(0, f"0 of {total}", 0)
        for done, item in enumerate(items, 1):
            yield item
            update(0, f"{done} of {total}", done)
        update(0, DONE, total)


@contextmanager
def _bars(names: Sequence[str], totals: Sequence[int], console: Console) -> Iterator[OnProgress]:
    with Progress(*COLUMNS, console=console) as progress:
        bars: list[TaskID] = [
            progress.add_task(name, total=total, start=False, doing="waiting")
            for name, total in zip(names, totals, strict=True)
        ]

        def update(index: int, doing: str, done: int) -> None:
            progress.start_task(bars[index])
            progress.update(bars[index], completed=done, doing=doing)

        yield update


@contextmanager
def _lines(names: Sequence[str], totals: Sequence[int], console: Console) -> Iterator[OnProgress]:
    pieces = [_Piece(name, max(1, total)) for name, total in zip(names, totals, strict=True)]
    over = threading.Event()

    def show(which: Sequence[_Piece]) -> None:
        now = time.monotonic()
        for piece in which[:SHOWN]:
            console.print(f"{time.strftime('%H:%M:%S')} {piece.line(now)}", highlight=False, soft_wrap=True)
        if len(which) > SHOWN:
            console.print(f"         and {len(which) - SHOWN} more", highlight=False)

    def update(index: int, doing: str, done: int) -> None:
        piece, was_done = pieces[index], pieces[index].is_done
        piece.begun = time.monotonic() if piece.begun is None else piece.begun
        piece.doing, piece.done = doing, done
        if piece.is_done and not was_done:
            show([piece])

    def watch() -> None:
        while not over.wait(EVERY):
            show([piece for piece in pieces if piece.begun is not None and not piece.is_done])

    thread = threading.Thread(target=watch, name="progress", daemon=True)
    thread.start()
    try:
        yield update
    finally:
        over.set()
        thread.join()
