"""Ctrl-C ends a process whatever became of its KeyboardInterrupt."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOST = """
import signal, time
from metanas.base import interrupt
interrupt.GRACE = 0.5
interrupt.listen()
class Forgetful:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)  # Python prints what is raised here, and goes on
Forgetful()
time.sleep(60)
"""
TURNED = """
import signal, sys
from metanas.cli import app
def broken(words, standalone_mode):
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise RuntimeError("a library says something else")
app.app = broken
app.main()
"""


@pytest.mark.parametrize(
    "code",
    [LOST, TURNED],
    ids=["lost", "turned"],
)
def test_a_lost_interrupt_ends_with_130(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=30)
    assert done.returncode == 130, done.stderr
    assert "interrupted; run the same command again" in done.stderr
