"""Several processes end with the parameters of one; a killed worker costs a restart and no number."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

ROOT = Path(__file__).parents[1]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
RUN = "run --suite mini-v1 --seeds 0 --budget smoke --jobs 1"
SMALL = (
    "space.layers=1",
    "space.channels=4",
    "space.ops=[conv3,skip]",
    "steps=1",
    "test_steps=1",
    "suite.shots=[1]",
    "suite.queries=3",
    "suite.train_queries=2",
    "budget.eval_episodes=2",
)


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.mark.parametrize("name", ["maml", "reptile", "metanas-ours"])
def test_two_processes_end_with_the_parameters_of_one(name: str, tmp_path: Path) -> None:
    script = [str(Path(__file__).with_name("together.py")), name]
    free = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    for command, out in (([sys.executable], "one"), ([*TORCHRUN, *free], "two")):
        subprocess.run([*command, *script, str(tmp_path / out)], check=True, env=environment(), cwd=tmp_path)
    one, two = (load_file(tmp_path / out / "state.safetensors") for out in ("one", "two"))
    assert one.keys() == two.keys()
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-6, atol=1e-9, msg=key)
    assert any(t.dtype == torch.float64 for t in one.values())


def test_a_killed_worker_is_started_again_and_goes_on(tmp_path: Path) -> None:
    whole, killed = (tmp_path / name for name in ("whole", "killed"))
    words = [*RUN.split(), "--method", "maml", "--domains", "langid", "--db", str(tmp_path / "b.db")]
    for setting in (*SMALL, "budget.iterations=60", "budget.tasks=2"):
        words += ["--set", setting]
    command = [*TORCHRUN, "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", "--max-restarts", "2"]
    command += [str(ROOT / "tests" / "saving_often.py"), *words]
    subprocess.run(
        [*command, "--out", str(whole)], check=True, env=environment(), cwd=tmp_path, capture_output=True
    )
    going = subprocess.Popen(
        [*command, "--out", str(killed)],
        env=environment(),
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    metrics = killed / "seed0" / "metrics.jsonl"
    while not (metrics.exists() and len(metrics.read_text().splitlines()) >= 5):
        assert going.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    os.kill(int((killed / "pids" / "1").read_text()), signal.SIGKILL)
    assert going.wait(timeout=240) == 0
    assert len(list((killed / "starts").iterdir())) == 4  # two workers, started twice
    rows = [json.loads(row)["iteration"] for row in metrics.read_text().splitlines()]
    assert rows == list(range(1, 61))  # no iteration counted twice
    a, b = (load_file(folder / "seed0" / "state.safetensors") for folder in (whole, killed))
    for key, value in a.items():
        torch.testing.assert_close(b[key], value, rtol=1e-5, atol=1e-6, msg=key)
    assert (killed / "submission.json").exists()
