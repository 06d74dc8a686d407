"""A disk that is full while a run writes: an error names the file, and nothing half-written looks whole."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NAMESPACE = ["unshare", "--map-root-user", "--mount"]
ROOT = Path(__file__).parents[2]
COMMAND = (
    "metanas run --method protonet --suite mini-v1 --domains langid --budget smoke --seeds 0 --out {0}/run "
    "--set suite.shots=[1] --set budget.eval_episodes=2 --db sqlite:///{0}/board.db"
)


@pytest.fixture(autouse=True)
def namespace(tmp_path: Path) -> None:
    """Small disks may be mounted here."""
    words = [*NAMESPACE, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    try:
        tried = subprocess.run(words, capture_output=True, text=True, check=False)
        problem = tried.stderr if tried.returncode else ""
    except OSError as error:
        problem = str(error)
    if problem:
        pytest.skip(f"NOT RUN: no small disk can be mounted here ({problem.strip()})")


def inside(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([*NAMESPACE, *words], capture_output=True, text=True, env=environment, cwd=ROOT)


def test_at_whatever_file_the_disk_is_full_the_next_try_ends_as_if_nothing_had_been(tmp_path: Path) -> None:
    done = inside(sys.executable, "tests/engine/full_disk.py", str(tmp_path))
    assert done.returncode == 0, done.stderr
    tries = [json.loads(line) for line in done.stdout.splitlines()]
    full = [one for one in tries if one["errno"] == errno.ENOSPC]
    assert len({Path(one["file"]).name for one in full}) >= 3  # so the disk was full at several files
    for one in tries:
        assert one["half"] == []
        assert one["sha256"] == one["undisturbed"]
    for one in full:
        assert not one["whole"] or one["file"].endswith(("report.html", "submission.json"))


def test_the_command_says_before_training_that_a_run_will_not_fit(tmp_path: Path) -> None:
    command = f"mount -t tmpfs -o size=100k tmpfs {tmp_path} && python -m {COMMAND.format(tmp_path)}"
    done = inside("env", f"PATH={Path(sys.executable).parent}:{os.environ['PATH']}", "bash", "-c", command)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("metanas: the disk of ") and "MiB free, and the runs need about" in line
