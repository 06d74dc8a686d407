"""Devices and precisions by name, what a result says of them, and what of a run does not depend on them."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from metanas.base.seeding import generator
from metanas.data.datasets import Datasets
from metanas.engine import collect, config, run
from metanas.engine.checkpoint import Trained, load, save_checkpoint
from metanas.engine.runtime import CPU, PLAIN, Runtime, joined, move
from metanas.engine.trainer import meta_train
from metanas.evaluation import tables
from metanas.evaluation.load_runs import load_runs
from metanas.evaluation.result import read_submission
from metanas.method import State
from tests import runs
from tests.engine.test_early_stopping import Phased
from tests.gpu.problems import made, sampler

no_apple = pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is an Apple GPU")
no_card = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")


@pytest.mark.parametrize(
    ("device", "precision", "message"),
    [
        ("gpu", "float32", "device must be auto, cpu, cuda, cuda:N or mps, got 'gpu'"),
        ("cuda:x", "float32", "device must be"),
        ("cpu", "float16", "precision must be float32, tf32, bf16, got 'float16'"),
        ("cpu", "tf32", "tf32 is of NVIDIA cards, got device cpu"),
        pytest.param("mps", "float32", "device mps: torch sees no Apple GPU on this machine", marks=no_apple),
        pytest.param("cuda", "float32", "torch sees no NVIDIA card", marks=no_card),
        pytest.param("cuda:1", "float32", "torch sees no NVIDIA card", marks=no_card),
    ],
)
def test_what_there_is_not_is_named(device: str, precision: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Runtime(device, precision)  # type: ignore[arg-type]


@no_card
def test_without_a_card_auto_is_the_cpu_as_before() -> None:
    assert Runtime("auto").place == CPU.place == torch.device("cpu")
    assert Runtime("auto").describe() == PLAIN == {"device": "cpu", "precision": "float32"}
    assert Runtime("auto").shared(3) == Runtime("auto").shared(3, "ray") == [Runtime("auto")] * 3


@pytest.fixture
def three_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch says that there are three cards; nothing may compute on them."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)


def test_several_cards_take_the_pieces_in_turn(three_cards: None) -> None:
    assert [r.device for r in Runtime("cuda").shared(4)] == ["cuda:0", "cuda:1", "cuda:2", "cuda:0"]
    assert [r.device for r in Runtime("auto", "tf32").shared(2)] == ["cuda:0", "cuda:1"]
    assert Runtime("auto", "tf32").shared(2)[1].precision == "tf32"
    assert Runtime("cuda:1").shared(2) == [Runtime("cuda:1")] * 2  # the one that was asked for
    with pytest.raises(ValueError, match="device cuda:3: there are 3 cards, numbered from 0"):
        Runtime("cuda:3")


def test_ray_chooses_the_card_of_a_piece(three_cards: None) -> None:
    assert Runtime("cuda").shared(2, "ray") == [Runtime("cuda")] * 2  # a piece sees one card, its own
    with pytest.raises(ValueError, match="device cuda:1: Ray chooses the card of each piece; give cuda"):
        Runtime("cuda:1").shared(2, "ray")


def test_under_torchrun_a_process_takes_its_own_card(
    three_cards: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "2")
    assert str(Runtime("cuda").place) == str(Runtime("auto").place) == "cuda:2"
    assert str(Runtime("cuda:1").place) == "cuda:1"


def test_a_precision_holds_inside_the_block_alone(tmp_path: Path) -> None:
    with Runtime("cpu", "bf16").active():
        assert torch.is_autocast_enabled("cpu")
        method = made("maml", space={"channels": 8, "layers": 1, "ops": ["conv3", "gru"]})
        state = meta_train(method, sampler(), 2, tmp_path, runtime=Runtime("cpu", "bf16")).state
    assert not torch.is_autocast_enabled("cpu")
    assert all(t.dtype != torch.bfloat16 and bool(torch.isfinite(t).all()) for t in state.values())


def test_a_checkpoint_of_another_device_goes_on_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = State({"value": torch.ones(1)})
    save_checkpoint(tmp_path / "state.safetensors", Trained(state, 3, 1.0, devices=("cuda (NVIDIA H100)",)))
    (tmp_path / "metrics.jsonl").write_text("")
    with caplog.at_level(logging.WARNING, "metanas"):
        trained = meta_train(Phased(), sampler(), 5, tmp_path)
    assert "was trained on cuda (NVIDIA H100) until iteration 3 and goes on on cpu" in caplog.text
    assert trained.devices == ("cuda (NVIDIA H100)", "cpu") and float(trained.state["value"]) == 3
    kept = load(tmp_path / "state.safetensors")
    assert kept is not None and kept.devices == trained.devices
    save_checkpoint(tmp_path / "cpu", replace(trained, devices=("cpu",)))
    assert b"devices" not in (tmp_path / "cpu").read_bytes()  # as before


def test_the_network_moves_and_the_start_is_the_same_everywhere() -> None:
    method = made("metanas-ours")
    meta = torch.device("meta")
    move(method, meta)
    assert {b.device for b in method.net.buffers()} == {meta}  # type: ignore[attr-defined]
    state = CPU.start(made("metanas-ours"), generator(0, "gpu"))
    again = made("metanas-ours").start(generator(0, "gpu"))
    assert all(torch.equal(state[name], t) for name, t in again.items())


def test_a_run_on_the_cpu_says_what_it_said_before(tmp_path: Path) -> None:
    made_ = config.resolve(
        "chance", "mini-v1", domains=("langid",), seeds=(0,), overrides=["suite.shots=[1]"]
    )
    data = Datasets.open(made_.suite)
    for seed_run in run.prepare(made_, tmp_path, data):
        run.work(seed_run, lambda doing, done: None)
        assert "device" not in json.loads(seed_run.costs.read_text())
    collect.finish(made_, tmp_path, data)
    about = read_submission(tmp_path / "submission.json").environment
    assert (about["device"], about["precision"]) == ("cpu", "float32")


def test_devices_of_several_seeds_are_joined() -> None:
    card = {"device": "cuda (NVIDIA H100)", "driver": "580, CUDA 13.0"}
    assert joined([PLAIN, PLAIN]) == PLAIN
    assert joined([card, card]) == card
    assert joined([PLAIN, card])["device"] == "cpu; cuda (NVIDIA H100)"
    assert joined([PLAIN, PLAIN | {"device": "cuda (X); cpu"}])["device"] == "cpu; cuda (X)"
    assert CPU.describe(("cuda (NVIDIA H100)", "cpu"))["device"] == "cuda (NVIDIA H100); cpu"


def test_seconds_of_different_devices_never_share_a_column(tmp_path: Path) -> None:
    for name in ("a", "b"):
        runs.make(tmp_path / name, name, 0.5)
    submission = read_submission(tmp_path / "b" / "submission.json")
    here = tables.costs(load_runs([tmp_path / "a", tmp_path / "b"]))
    assert "training s" in here.columns
    other = submission.model_copy(update={"environment": {"cpu": "x", "device": "cuda (card)"}})
    (tmp_path / "b" / "submission.json").write_text(other.model_dump_json())
    apart = tables.costs(load_runs([tmp_path / "a", tmp_path / "b"]))
    assert len(apart.columns) == len(here.columns) + 2
    of_cpu, of_card = (
        apart.columns.index(f"training s {device}") for device in ("cpu, float32", "cuda (card), float32")
    )
    assert [row[of_cpu] for row in apart.rows] == ["1.0", "-"]
    assert [row[of_card] for row in apart.rows] == ["-", "1.0"]
    assert "cuda (card), float32 beside x" in apart.how
