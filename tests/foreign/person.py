"""Somebody outside: a folder, an environment of theirs with their package, and `metanas` as they type it."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from tests.rooms import ROOT


class Person:
    """Somebody with a folder, an interpreter and what is set in the shell; `metanas ...` as they type it.

    Commands run in forks of one process of the interpreter (`commands.py`); `close` ends it.
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
        self._shell: subprocess.Popen[str] | None = None

    def says(self, *words: object, code: int = 0) -> str:
        """What a command prints; its exit code is `code`."""
        if self._shell is None:
            command = [str(self.python), str(Path(__file__).with_name("commands.py"))]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            self._shell = subprocess.Popen(command, cwd=self.home, env=self.env, **pipes)
        assert self._shell.stdin is not None and self._shell.stdout is not None
        print(json.dumps({"words": [*map(str, words)], "env": self.env}), file=self._shell.stdin, flush=True)
        done = json.loads(self._shell.stdout.readline())
        assert done["code"] == code, f"{words}: {done['said'][-4000:]}"
        return str(done["said"])

    def install(self, package: Path) -> None:
        """`pip install -e PACKAGE` without a network."""
        options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install", *options]
        subprocess.run([*pip, "-e", str(package)], check=True)
        self.close()  # a process that runs does not see the package

    def close(self) -> None:
        """End the process of the commands, if there is one."""
        if self._shell is not None:
            with self._shell as shell:
                assert shell.stdin is not None
                shell.stdin.close()
            self._shell = None


def environment(folder: Path) -> Path:
    """A new virtual environment that also sees the packages of this one; returns its interpreter."""
    venv.create(folder, with_pip=False)
    python = folder / "bin/python"
    place = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    (folder / place / "above.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return python
