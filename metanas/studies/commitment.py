"""A commitment to a run before it sees sealed episodes: one SHA-256 of its code and weights.

It is computed from the names and SHA-256 of files: the run's configuration and checkpoints, the installed
source of metanas, tasks and baselines, and folders with further code. Anyone who receives code and run later
can compute it again and compare.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from metanas.base import plugins
from metanas.base.atomic import sha256
from metanas.base.errors import InvalidValue

_CODE = ("*.py", "*.yaml")


def files(run: Path, code: Sequence[Path] = ()) -> dict[str, str]:
    """SHA-256 of every file, by name: "run/seed0/state.safetensors", "baselines/maml.py".

    code: folders with further code. InvalidValue if `run` has no checkpoint, a folder
    is none, or two share a name.
    """
    hashes = dict(_hashes("run", run, [run / "config.yaml", *sorted(run.glob("seed*/state.safetensors"))]))
    if len(hashes) < 2:
        raise InvalidValue(f"{run} has no config.yaml and checkpoints; give the folder of a finished run")
    installed = [plugins.folder(name) for name in ("metanas", "tasks", "baselines")]
    roots = [*installed, *(Path(os.path.realpath(path)) for path in code)]
    if missing := [root for root in roots if not root.is_dir()]:
        raise InvalidValue(f"{missing[0]} is no folder; --code wants the folders of your code")
    if len({root.name for root in roots}) < len(roots):
        raise InvalidValue(f"two folders of code have the same name: {', '.join(map(str, roots))}")
    for root in roots:
        hashes |= _hashes(root.name, root, sorted(path for pattern in _CODE for path in root.rglob(pattern)))
    return hashes


def commitment(run: Path, code: Sequence[Path] = ()) -> str:
    """The commitment: SHA-256 of `files` as JSON with sorted keys."""
    text = json.dumps(files(run, code), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _hashes(name: str, root: Path, paths: Sequence[Path]) -> Iterator[tuple[str, str]]:
    for path in paths:
        if path.is_file():
            yield f"{name}/{path.relative_to(root).as_posix()}", sha256(path)
