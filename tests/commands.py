"""`metanas` as a program that starts at once: each command is a fork of a process that has imported torch.

python commands.py      # reads {"words": [...], "cwd": "...", "env": {...}} line by line, writes the outcome
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple


class Done(NamedTuple):
    """The outcome of a command."""

    returncode: int
    stdout: str
    stderr: str


class Commands:
    """A process of an interpreter that runs commands; started by the first one, ended by `close`."""

    def __init__(self, python: str | Path = sys.executable) -> None:
        self.python = str(python)
        self._process: subprocess.Popen[str] | None = None

    def __call__(self, *words: object, cwd: Path, env: Mapping[str, str]) -> Done:
        """Run `metanas ...` in a folder and an environment."""
        if self._process is None:
            self._process = subprocess.Popen(
                [self.python, "-P", __file__],
                env={**env},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        assert self._process.stdin is not None and self._process.stdout is not None
        asked = {"words": [*map(str, words)], "cwd": str(cwd), "env": {**env}}
        try:
            print(json.dumps(asked), file=self._process.stdin, flush=True)
            return Done(*json.loads(self._process.stdout.readline()))
        except BaseException:  # a time limit, say: this outcome would be taken for that of the next command
            os.killpg(self._process.pid, signal.SIGKILL)
            self.close()
            raise

    def close(self) -> None:
        """End the process, if there is one; the next command starts another."""
        if self._process is not None:
            with self._process as process:
                assert process.stdin is not None
                with suppress(BrokenPipeError):
                    process.stdin.close()
            self._process = None


def run(words: list[str], cwd: str, env: dict[str, str]) -> Done:
    """The exit code of a command, and what it printed."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            os._exit(_command(words, cwd, env, (out.fileno(), err.fileno())))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
    return Done(code, *texts)


def _command(words: list[str], cwd: str, env: dict[str, str], streams: tuple[int, int]) -> int:
    """Do it in this process, whose streams become others; returns the exit code."""
    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path.insert(0, cwd)  # as `python -m metanas` has it
    sys.argv[:] = ["metanas", *words]
    from metanas.cli.app import main

    code: Any = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        code = 1
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    sys.stderr.flush()
    return int(code)


def serve() -> None:
    """Until nobody asks any more."""
    import torch  # noqa: F401
    from typer.main import get_command

    import metanas.cli.app
    import metanas.studies.grid

    get_command(metanas.cli.app.app)
    for line in sys.stdin:
        print(json.dumps(run(**json.loads(line))), flush=True)


if __name__ == "__main__":
    serve()
