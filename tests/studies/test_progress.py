"""Progress is seen: as bars on a terminal, as lines in a log, and not at all where all is quiet."""

import io
import threading

import pytest
from rich.console import Console

from metanas.studies import progress


def console(*, terminal: bool = False, quiet: bool = False) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=terminal, quiet=quiet, width=120), file


def test_a_log_has_a_line_every_few_seconds_and_one_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.01)
    out, file = console()
    with progress.shown(["maml seed 0", "maml seed 1"], [10, 10], out) as update:
        update(0, "meta-training", 4)
        wait_for(file, "maml seed 0: meta-training, 40 %, 0:00:00, left 0:00:00")
        update(0, "controls", 10)
        wait_for(file, "maml seed 0: controls, 100 %")
        update(0, "done", 10)
        update(0, "done", 10)
    lines = file.getvalue().splitlines()
    assert sum("maml seed 0: done, 100 %" in line for line in lines) == 1
    assert not any("seed 1" in line for line in lines)  # it waits
    assert not any(thread.name == "progress" for thread in threading.enumerate())


def wait_for(file: io.StringIO, text: str) -> None:
    for _ in range(500):
        if text in file.getvalue():
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"{text!r} not in {file.getvalue()!r}")


def test_a_log_names_a_few_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.01)
    out, file = console()
    with progress.shown([f"seed {i}" for i in range(7)], [2] * 7, out) as update:
        for index in range(7):
            update(index, "testing", 1)
        wait_for(file, "and 3 more")


def test_a_terminal_has_bars_and_a_quiet_console_nothing() -> None:
    out, file = console(terminal=True)
    with progress.shown(["maml seed 0"], [2], out) as update:
        update(0, "testing", 2)
    assert "━" in file.getvalue() and "testing" in file.getvalue()
    out, file = console(quiet=True)
    with progress.shown(["maml seed 0"], [2], out) as update:
        update(0, "testing", 2)
    assert file.getvalue() == ""


def test_tracked_items_are_all_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress.tracked("abc", "letters", 3)) == ["a", "b", "c"]
    assert "letters: done, 100 %" in capsys.readouterr().out
    assert list(progress.tracked("", "nothing", 0)) == []
