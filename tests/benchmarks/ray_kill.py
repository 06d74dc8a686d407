"""A real transfer study on Ray with two workers, one of them killed in the middle of its work.

`python tests/benchmarks/ray_kill.py` runs the study on a local Ray, kills the first worker that is seen to
work, waits for the end, runs the same study in the local pool without a kill, and compares the answers byte
for byte: the killed piece was done again, and nothing was counted twice. About two minutes; needs `ray`.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil

from metanas.base.machine import cpu_name
from metanas.evaluation import transfer

STUDY = (
    *("transfer", "--method", "maml", "--train", "digits,langid", "--domains", "digits,langid"),
    *("--suite", "mini-v1", "--budget", "smoke", "--seeds", "0,1", "--jobs", "2", "--set", "suite.shots=[1]"),
)
PATIENCE = 240.0  # seconds until a worker must have begun


def main() -> None:
    """Print what was run, killed and found."""
    print(f"{cpu_name()}, {os.cpu_count()} cores, {datetime.now(UTC):%Y-%m-%d}")
    print("metanas", *STUDY, "--executor ray")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.monotonic()
        ray = _start(folder / "ray", "ray")
        killed = _kill_a_worker(ray, folder / "ray")
        _end(ray)
        print(f"killed worker {killed[0]} while it worked on {killed[1]}; the study ended with code 0")
        print(f"on Ray: {time.monotonic() - began:.0f} s")
        began = time.monotonic()
        _end(_start(folder / "local", "local"))
        print(f"in the local pool, undisturbed: {time.monotonic() - began:.0f} s")
        digests = {kind: _digest(folder / kind) for kind in ("ray", "local")}
        same = digests["ray"] == digests["local"]
        verdict = "the same" if same else "NOT THE SAME"
        print(f"answers: {digests['ray'][:12]} and {digests['local'][:12]}: {verdict}")
        sys.exit(0 if same else 1)


def _start(folder: Path, kind: str) -> "subprocess.Popen[bytes]":
    words = [sys.executable, "-m", "metanas", *STUDY, "--executor", kind, "--out", str(folder)]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL)


def _kill_a_worker(study: "subprocess.Popen[bytes]", folder: Path) -> tuple[int, str]:
    """The process that was killed and the piece that was begun but not finished then."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        begun = [path.parent for path in folder.glob("cells/*/seed*/metrics.jsonl")]
        workers = [p for p in psutil.Process(study.pid).children(recursive=True) if _works(p)]
        if begun and workers:
            os.kill(workers[0].pid, signal.SIGKILL)
            return workers[0].pid, f"one of {', '.join(str(b.relative_to(folder / 'cells')) for b in begun)}"
        time.sleep(0.02)
    raise TimeoutError(f"no worker began within {PATIENCE:.0f} s")


def _works(process: psutil.Process) -> bool:
    try:
        return "ray::work" in " ".join(process.cmdline())
    except psutil.Error:
        return False


def _end(study: "subprocess.Popen[bytes]") -> None:
    if code := study.wait():
        raise RuntimeError(f"the study ended with code {code}")


def _digest(folder: Path) -> str:
    """SHA-256 of the answers; reading them checks that every episode is there exactly once."""
    return transfer.read(folder).study.answers_sha256


if __name__ == "__main__":
    main()
