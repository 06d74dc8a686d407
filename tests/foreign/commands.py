"""Runs commands of metanas, each in a fork of this process, which has imported what is slow to import.

python commands.py      # reads {"words": [...], "env": {...}} line by line, writes {"code": 0, "said": ""}
"""

import json
import os
import sys
import tempfile
from typing import Any


def run(words: list[str], env: dict[str, str]) -> dict[str, Any]:
    """The exit code of `metanas ...` and what it printed on both streams."""
    with tempfile.TemporaryFile() as out:
        child = os.fork()
        if child == 0:
            for stream in (1, 2):
                os.dup2(out.fileno(), stream)
            os.environ.clear()
            os.environ.update(env)
            sys.argv[:] = ["metanas", *words]
            from metanas.cli.app import main

            try:
                main()
            except SystemExit as ended:
                code = int(ended.code or 0)
            except BaseException:
                code = 1
                sys.excepthook(*sys.exc_info())
            for written in (sys.stdout, sys.stderr):
                written.flush()
            os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out.seek(0)
        return {"code": code, "said": out.read().decode(errors="replace")}


def main() -> None:
    """Until nobody asks any more."""
    import torch  # noqa: F401
    from typer.main import get_command

    import metanas.cli.app
    import metanas.studies.grid

    get_command(metanas.cli.app.app)
    for line in sys.stdin:
        print(json.dumps(run(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
