"""Works on a disk that is too small, then on a larger one; run by test_full_disk.py in a mount namespace.

unshare --map-root-user --mount python tests/engine/full_disk.py FOLDER   ->   one JSON line per size
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from metanas.data.datasets import Datasets
from metanas.engine import collect, config, run
from metanas.engine.seed_run import SeedRun
from metanas.evaluation import report, result

SIZES = ("8k", "40k", "80k", "1000k")  # the disk fills up at another file each time
SMALL = (
    "space.layers=1",
    "space.channels=4",
    "space.ops=[conv3,skip]",
    "suite.queries=3",
    "suite.shots=[1]",
    "budget.iterations=2",
    "budget.tasks=1",
    "budget.eval_episodes=4",
)


def whole_run(folder: Path) -> str:
    """All files of a small run; returns the predictions' SHA-256."""
    made = config.resolve("protonet", "mini-v1", domains=("langid",), seeds=(0,), overrides=SMALL)
    data = Datasets.open(made.suite)
    for cell in run.prepare(made, folder, data):
        assert isinstance(cell, SeedRun)
        run.work(cell, lambda what, done: None)
    if not (folder / result.SUBMISSION).exists():
        collect.finish(made, folder, data)
    report.build([folder], folder / "report.html", twins=False)
    return result.read(folder).submission.predictions_sha256


def attempt(disk: Path, size: str) -> dict[str, object]:
    """The error on a full disk, what lay there then, and the answers once there is room."""
    mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk))
    found: dict[str, object] = {"size": size, "errno": None, "file": None}
    try:
        whole_run(disk / "run")
    except OSError as error:
        found |= {"errno": error.errno, "file": error.filename}
    left = [path.name for path in disk.rglob("*") if path.is_file()]
    found |= {"whole": result.SUBMISSION in left, "half": [name for name in left if name.endswith(".part")]}
    mount("-o", "remount,size=50m", str(disk))
    found["sha256"] = whole_run(disk / "run")
    subprocess.run(["umount", str(disk)], check=True)
    return found


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def main(folder: Path) -> None:
    import metanas.cli.app  # noqa: F401  the plug-ins

    undisturbed = whole_run(folder / "undisturbed")
    disk = folder / "disk"
    disk.mkdir()
    for size in SIZES:
        print(json.dumps({**attempt(disk, size), "undisturbed": undisturbed}), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(Path(sys.argv[1]))
