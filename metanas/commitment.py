"""One SHA-256 that names the code and the weights of a run, committed to before fresh episodes are seen.

It is over the names and SHA-256 of files: the run's config and checkpoints, the source of metanas, its tasks
and its baselines as they are installed here, and folders given for code that lies elsewhere. Whoever is
handed code and run later computes it again and compares.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from metanas import plugins
from metanas.store import sha256

CODE = ("*.py", "*.yaml")


def files(run: Path, code: Sequence[Path] = ()) -> dict[str, str]:
    """SHA-256 by name: "run/seed0/state.safetensors", "baselines/maml.py".

    ValueError if `run` has no weights, or two folders of code have the same name.
    """
    found = dict(_hashes("run", run, [run / "config.yaml", *sorted(run.glob("seed*/state.safetensors"))]))
    if len(found) < 2:
        raise ValueError(f"{run} has no config.yaml and checkpoints; give the folder of a finished run")
    here = Path(__file__).parent
    roots = [here, plugins.folder("tasks"), plugins.folder("baselines"), *(path.resolve() for path in code)]
    if len({root.name for root in roots}) < len(roots):
        raise ValueError(f"two folders of code have the same name: {', '.join(map(str, roots))}")
    for root in roots:
        found |= _hashes(root.name, root, sorted(path for kind in CODE for path in root.rglob(kind)))
    return found


def commitment(run: Path, code: Sequence[Path] = ()) -> str:
    """The SHA-256 of all those."""
    text = json.dumps(files(run, code), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _hashes(name: str, root: Path, paths: Sequence[Path]) -> Iterator[tuple[str, str]]:
    for path in paths:
        if path.is_file():
            yield f"{name}/{path.relative_to(root).as_posix()}", sha256(path)
