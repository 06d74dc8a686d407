"""Somebody outside: a folder, an environment of theirs with their package, and `metanas` as they type it."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from tests.rooms import ROOT


class Person:
    """Somebody with a folder, an interpreter and what is set in the shell; `metanas ...` as they type it."""

    def __init__(self, home: Path, python: Path, **variables: str) -> None:
        self.home, self.python = home, python
        self.env = os.environ | {
            "PYTHONPATH": str(ROOT),
            "METANAS_CACHE": str(home / "cache"),
            "HF_HOME": str(home / "hf"),
            "COLUMNS": "200",
            **variables,
        }

    def says(self, *words: object, code: int = 0) -> str:
        """What a command prints; its exit code is `code`."""
        command = [str(self.python), "-m", "metanas", *map(str, words)]
        done = subprocess.run(command, cwd=self.home, env=self.env, capture_output=True, text=True)
        assert done.returncode == code, f"{words}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout + done.stderr


def environment(folder: Path) -> Path:
    """A new virtual environment that also sees the packages of this one; returns its interpreter."""
    venv.create(folder, with_pip=False)
    python = folder / "bin/python"
    place = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    (folder / place / "above.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return python


def install(python: Path, package: Path) -> None:
    """`pip install -e PACKAGE` into the environment of that interpreter, without a network."""
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", *options]
    subprocess.run([*pip, "-e", str(package)], check=True)
