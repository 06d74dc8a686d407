"""The tests of `tests/gpu`, which need a card, on the CPU: so that they still run when there is one."""

from pathlib import Path

import pytest
import torch

from metanas.engine.runtime import CPU
from tests.benchmarks import bench_cells
from tests.gpu import test_same_as_cpu, test_training

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="`pytest -m gpu` runs them on the card")


@pytest.mark.parametrize("name", ["maml", "loo-nas"])
def test_they_compare_steps_and_answers(name: str) -> None:
    test_same_as_cpu.compare_steps(name)
    assert test_same_as_cpu.agreement(name) == 1


def test_they_train(tmp_path: Path) -> None:
    a, b = (test_training.trained("protonet", {}, tmp_path / folder, CPU, 2) for folder in "ab")
    assert all(torch.equal(a[key], b[key]) for key in a)
    test_training.steps_without_waiting("protonet")


def test_cells_say_that_they_are_ready_and_how_fast_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.readline", lambda: "go\n", raising=False)
    bench_cells.cell(bench_cells.small(bench_cells.CASES[0]), CPU, 0.01, 1)
    ready, figures = capsys.readouterr().out.splitlines()
    assert ready == "ready" and float(figures.split()[0]) > 0
