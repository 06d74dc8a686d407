"""Meta-training stops on a loss that is no number and leaves the last good checkpoint."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from metanas import train
from metanas.episode import Episodes
from metanas.method import Moment, State
from metanas.train import Source, TrainError, load, meta_train


class Counting:
    """A method whose state counts its iterations; its loss is `bad` at iteration 3."""

    trains = True
    transductive = False

    def __init__(self, bad: float) -> None:
        self.bad = bad

    def start(self, generator: torch.Generator) -> State:
        return {"count": torch.zeros(1)}

    def step(self, state: State, moment: Moment, batch: Sequence[Episodes]) -> tuple[State, dict[str, float]]:
        return {"count": state["count"] + 1}, {"digits": self.bad if moment.at == 3 else 0.5}


def run(method: Any, folder: Path) -> train.Trained:
    return meta_train(method, Source([], lambda name: [], 1, 0), 6, folder)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_checkpoint(
    bad: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "SAVE_EVERY", -1.0)  # a checkpoint an iteration
    with pytest.raises(
        TrainError, match=rf"the loss of digits is {bad} at iteration 3; lower the rates.*state"
    ):
        run(Counting(bad), tmp_path)
    kept = load(tmp_path / "state.safetensors")
    assert kept is not None and kept.iteration == 3 and kept.state["count"] == 3
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 3
    assert run(Counting(0.5), tmp_path).state["count"] == 6, "with other rates it goes on from there"
