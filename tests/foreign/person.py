"""Somebody outside: a folder, an environment of theirs with their package, and `metanas` as they type it."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from tests.commands import Commands
from tests.rooms import ROOT


class Person:
    """Somebody with a folder, an interpreter and what is set in the shell; `metanas ...` as they type it.

    Commands are forks of one process of the interpreter (`tests/commands.py`); `close` ends it.
    """

    def __init__(self, home: Path, python: Path, **variables: str) -> None:
        self.home, self.python = home, python
        self.env = os.environ | {
            "PYTHONPATH": str(ROOT),
            "METANAS_CACHE": str(home / "cache"),
            "HF_HOME": str(home / "hf"),
            "COLUMNS": "200",
            **variables,
        }
        self._metanas = Commands(python)

    def says(self, *words: object, code: int = 0) -> str:
        """What a command prints; its exit code is `code`."""
        done = self._metanas(*words, cwd=self.home, env=self.env)
        assert done.returncode == code, f"{words}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout + done.stderr

    def install(self, package: Path) -> None:
        """`pip install -e PACKAGE` without a network."""
        options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install", *options]
        subprocess.run([*pip, "-e", str(package)], check=True)
        self.close()  # a process that runs does not see the package

    def close(self) -> None:
        """End the process of the commands."""
        self._metanas.close()


def environment(folder: Path) -> Path:
    """A new virtual environment that also sees the packages of this one; returns its interpreter."""
    venv.create(folder, with_pip=False)
    python = folder / "bin/python"
    place = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    (folder / place / "above.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return python
