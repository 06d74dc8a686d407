"""`metanas` as these tests type it, in a folder, and a run that is over soon."""

import os
from pathlib import Path

from tests.commands import Commands, Done
from tests.rooms import ROOT

TINY = ["--set", "space.channels=8", "--set", "space.layers=1", "--set", "budget.eval_episodes=4"]
COMMANDS = Commands()


def metanas(*words: str, cwd: Path) -> Done:
    """This checkout's program, not another that is installed."""
    return COMMANDS(*words, cwd=cwd, env={**os.environ, "PYTHONPATH": str(ROOT)})


def run(*words: str, cwd: Path) -> Done:
    """A run with seed 0 of mini-v1's smallest budget and a small supernet."""
    return metanas("run", "--budget", "smoke", "--seeds", "0", *TINY, *words, cwd=cwd)
