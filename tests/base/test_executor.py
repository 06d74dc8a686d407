"""Pieces of work over processes; a worker that is killed costs nothing but time."""

import os
import signal
import sys
from pathlib import Path

import pytest
import torch

from metanas.base import executor
from metanas.base.atomic import write_atomically
from metanas.base.executor import ExecutorError, Kind


def piece(path: Path, report: executor.Report) -> None:
    """Leaves a result, whole, and finds it again; the worker is killed once if the path says so.

    The pool cannot tell whether a piece beside the killed one was done: such a piece is called again.
    """
    if path.stem.startswith("killed") and not path.with_suffix(".tried").exists():
        path.with_suffix(".tried").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    result = path.with_suffix(".result")
    if not result.exists():
        write_atomically(result, f"{path.name}\n".encode())


def doomed(path: Path, report: executor.Report) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def wrong(path: Path, report: executor.Report) -> None:
    raise ValueError(f"{path.name} is wrong")


@pytest.mark.parametrize("kind", ["local", "ray"])
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_killed_worker_s_piece_is_done_again(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    pieces = [tmp_path / name for name in ("a", "killed", "b", "c")]
    assert sorted(executor.run(piece, pieces, jobs=2, kind=kind)) == [0, 1, 2, 3]
    assert (tmp_path / "killed.tried").exists()
    assert [path.with_suffix(".result").read_text() for path in pieces] == ["a\n", "killed\n", "b\n", "c\n"]


def which_card(path: Path, report: executor.Report) -> None:
    path.write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "all"))


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_ray_keeps_a_card_for_every_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False)  # as if it had two
    try:
        list(executor.run(which_card, [tmp_path / name for name in "ab"], jobs=2, kind="ray", cards=1))
    finally:
        ray.shutdown()
    assert {(tmp_path / name).read_text() for name in "ab"} <= {"0", "1"}  # "all" without


def test_workers_that_keep_dying_end_the_work(tmp_path: Path) -> None:
    with pytest.raises(ExecutorError, match="1 pieces of work lost their worker 3 times"):
        list(executor.run(doomed, [tmp_path], jobs=1))


def test_an_error_of_a_piece_comes_back(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="x is wrong"):
        list(executor.run(wrong, [tmp_path / "x"], jobs=1))
    with pytest.raises(ValueError, match="jobs must be positive, got 0"):
        list(executor.run(wrong, [tmp_path / "x"], jobs=0))


def test_workers_share_the_threads_there_are() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(7)  # as OMP_NUM_THREADS=7 would
        executor.share_cores(3)
        assert torch.get_num_threads() == 2
        executor.share_cores(3)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
