"""The tests' own way to run commands."""

import os
import signal
from pathlib import Path
from types import FrameType

import pytest

from tests.commands import Commands


def test_an_outcome_that_nobody_waited_for_is_not_the_next_command_s(tmp_path: Path) -> None:
    """As when pytest's time limit ends a test: the next one gets its own outcome."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    commands, env = Commands(), {**os.environ}
    commands("list", "suites", cwd=tmp_path, env=env)  # from here on a command takes a moment
    before = signal.signal(signal.SIGALRM, stop)
    try:
        with pytest.raises(TimeoutError):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            commands("list", "rows", cwd=tmp_path, env=env)
        assert commands("list", "suites", cwd=tmp_path, env=env).stdout.startswith("core-lite-v1")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        commands.close()
