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
import torch.distributed as dist
from safetensors.torch import load_file

from metanas.base import distributed

ROOT = Path(__file__).parents[2]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
TORCHRUN += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", "--max-restarts", "2"]
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


METHODS = (
    "maml",
    "reptile",
    "reptile+keep_moments",
    "metanas-ours",
    "finetune",
    "protonet+letters",
    "loo-nas",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders one/ and two/: the same meta-trainings by one process and by two."""
    folder = tmp_path_factory.mktemp("trained")
    for command, out in (([sys.executable], "one"), (TORCHRUN, "two")):
        words = ["-m", "tests.base.together", str(folder / out), *METHODS]
        subprocess.run([*command, *words], check=True, env=environment(), cwd=folder)
    return folder


@pytest.mark.parametrize("name", METHODS)
def test_two_processes_end_with_the_parameters_of_one(name: str, trained: Path) -> None:
    one, two = (load_file(trained / out / name / "state.safetensors") for out in ("one", "two"))
    assert one.keys() == two.keys()
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-6, atol=1e-9, msg=key)
        assert value.dtype == torch.float64 or not key.startswith("weights/")


def test_a_killed_worker_is_started_again_and_goes_on(tmp_path: Path) -> None:
    whole, killed = (tmp_path / name for name in ("whole", "killed"))
    words = [*RUN.split(), "--method", "maml", "--domains", "langid", "--db", str(tmp_path / "b.db")]
    for setting in (*SMALL, "budget.iterations=60", "budget.tasks=2"):
        words += ["--set", setting]
    command = [*TORCHRUN, "-m", "tests.engine.saving_often", *words]
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


def test_a_papers_row_is_run_by_two_processes_and_printed_once(shared: Path, tmp_path: Path) -> None:
    words = ["reproduce", "protonet-omniglot-5w1s", "--data-root", str(shared)]
    words += ["--out", str(tmp_path / "row"), "--db", str(tmp_path / "b.db")]
    for setting in ("budget.iterations=1", "budget.eval_episodes=2", "suite.queries=2"):
        words += ["--set", setting]
    ended = subprocess.run(
        [*TORCHRUN, "-m", "metanas", *words], env=environment(), cwd=tmp_path, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("protonet-omniglot-5w1s, small scale") == 1
    assert ended.stdout.count("expected: ") == 1
    assert (tmp_path / "row" / "submission.json").exists()


@pytest.fixture
def second_of_two(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """This process is the second of torchrun's two, on a machine of two cards; the backends asked for."""
    backends: list[str] = []
    for name, value in (("WORLD_SIZE", "2"), ("LOCAL_WORLD_SIZE", "2"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(distributed, "rendezvous", lambda *a, **options: iter([(dist.HashStore(), 1, 2)]))
    monkeypatch.setattr(dist, "init_process_group", lambda backend, **options: backends.append(backend))
    monkeypatch.setattr(dist, "destroy_process_group", lambda: None)
    return backends


def test_tensors_on_cards_are_exchanged_by_nccl_and_all_others_by_gloo(second_of_two: list[str]) -> None:
    for device in (torch.device("cuda", 1), torch.device("cpu"), torch.device("mps"), None):
        with distributed.process_group(device):
            pass
    assert second_of_two == ["cpu:gloo,cuda:nccl", "gloo", "gloo", "gloo"]


def test_processes_do_not_share_a_card(second_of_two: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="device cuda:0: with several processes each has its own card"):
        with distributed.process_group(torch.device("cuda", 0)):
            pass
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="2 processes on a machine with 1 cards: each needs its own; give"):
        with distributed.process_group(torch.device("cuda", 0)):
            pass
    assert not second_of_two
