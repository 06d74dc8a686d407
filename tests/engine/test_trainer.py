"""Meta-training stops on a loss or a state that is not finite, and keeps the state before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from metanas.data.episode import Episodes
from metanas.data.meta_batches import MetaBatchSampler
from metanas.engine import checkpoint, trainer
from metanas.engine.checkpoint import load
from metanas.engine.trainer import TrainError, meta_train
from metanas.method import Progress, State


class Counting:
    """A method whose state counts its iterations; its loss is `bad` at iteration 3."""

    trains = True
    transductive = False

    def __init__(self, bad: float) -> None:
        self.bad = bad

    def start(self, generator: torch.Generator) -> State:
        return {"count": torch.zeros(1)}

    def step(
        self, state: State, progress: Progress, batch: Sequence[Episodes]
    ) -> tuple[State, dict[str, float]]:
        return {"count": state["count"] + 1}, {"digits": self.bad if progress.iteration == 3 else 0.5}


def run(method: Any, folder: Path) -> checkpoint.Trained:
    return meta_train(method, MetaBatchSampler([], lambda name: [], 1, 0), 6, folder)


@pytest.mark.parametrize("save_every", [-1.0, 1e9])  # a checkpoint an iteration, or none before the end
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_and_keeps_the_state_before_it(
    bad: float, save_every: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "SAVE_EVERY", save_every)
    with pytest.raises(
        TrainError, match=rf"the loss of digits is {bad} after iteration 4; lower a learning rate.*state"
    ):
        run(Counting(bad), tmp_path)
    kept = load(tmp_path / "state.safetensors")
    assert kept is not None and kept.iteration == 3 and kept.state["count"] == 3
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 3
    assert run(Counting(0.5), tmp_path).state["count"] == 6, "with other rates it goes on from there"


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ([1.0, float("inf")], "weights/w is not finite after iteration 1; .*now weight_rate=0\\.1"),
        ([1e30, -1e30], r"weights/w reaches 1e\+30, whose square is not finite, after iteration 1"),
    ],
)
def test_a_state_that_is_not_finite_is_never_kept(numbers: list[float], message: str, tmp_path: Path) -> None:
    class Diverging(Counting):
        def step(
            self, state: State, progress: Progress, batch: Sequence[Episodes]
        ) -> tuple[State, dict[str, float]]:
            after, losses = super().step(state, progress, batch)
            return State({**after, "weights/w": torch.tensor(numbers)}) if self.bad else after, losses

    @dataclass(frozen=True)
    class Rates:
        weight_rate: float = 0.1
        steps: int = 3

    method = Diverging(0.0)
    method.bad, method.settings = 1.0, Rates()  # type: ignore[attr-defined]
    with pytest.raises(TrainError, match=message):
        run(method, tmp_path)
    kept = load(tmp_path / "state.safetensors")
    assert kept is not None and kept.iteration == 0 and set(kept.state) == {"count"}
