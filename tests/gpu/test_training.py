"""Meta-training on a CUDA card: same seed, same bytes; resume across devices; memory that stays."""

import logging
import warnings
from pathlib import Path

import pytest
import torch

from metanas.base.seeding import generator
from metanas.engine.checkpoint import load
from metanas.engine.runtime import CPU, Runtime
from metanas.engine.trainer import meta_train
from metanas.method import METHODS, Progress, State
from tests.contracts.test_devices import WAITS
from tests.gpu.problems import CUDA, SPECS, made, sampler, specs_of

pytestmark = pytest.mark.gpu
BATCH_NORM = {"network": {"kind": "conv4", "width": 16, "norm": "batch", "down": "stride", "read": "mean"}}
CASES = [
    ("maml", {}),
    ("maml", BATCH_NORM),
    ("maml", {"network": {"kind": "conv4", "width": 16}, "steps": 3}),
    ("mamlpp", {}),
    ("protonet", {}),
    ("reptile", {}),
    ("finetune", {}),
    ("metanas-ours", {}),
    ("metanas", {}),
    ("random-search", {}),
    ("loo-nas", {}),
    ("r2d2", {}),
    ("imaml", {}),
    ("tnas", {}),
]


def trained(
    name: str, settings: dict[str, object], folder: Path, runtime: Runtime, iterations: int = 6
) -> State:
    with runtime.active():
        return meta_train(made(name, **settings), sampler(), iterations, folder, runtime=runtime).state


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_same_seed_same_bytes(name: str, settings: dict[str, object], tmp_path: Path) -> None:
    a, b = (trained(name, settings, tmp_path / folder, CUDA) for folder in ("a", "b"))
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert a.device.type == "cuda"


@pytest.mark.parametrize("name", ["maml", "protonet", "reptile"])
@pytest.mark.parametrize("first", ["cuda", "cpu"])
def test_resumes_on_another_device_and_says_so(
    name: str, first: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = (CUDA, CPU) if first == "cuda" else (CPU, CUDA)
    trained(name, {}, tmp_path / "resumed", one, 3)
    with caplog.at_level(logging.WARNING, "metanas"):
        resumed = trained(name, {}, tmp_path / "resumed", other)
    assert "goes on on" in caplog.text
    whole = trained(name, {}, tmp_path / "whole", other)
    for key, value in whole.items():
        if value.dtype == torch.float32:
            assert (resumed[key].cpu() - value.cpu()).abs().max() < 0.02, key  # Adam turns noise into steps
    kept = load(tmp_path / "resumed" / "state.safetensors")
    assert kept is not None and len(kept.devices) == 2 and kept.devices[-1].startswith(other.place.type)


@pytest.mark.parametrize(
    "settings", [BATCH_NORM, {"space": {"channels": 8, "layers": 1, "ops": ["conv3", "skip"]}}]
)
def test_memory_stays_over_300_iterations(settings: dict[str, object], tmp_path: Path) -> None:
    levels = {}

    def watch(iteration: int) -> None:
        if iteration in (50, 299):
            torch.cuda.synchronize()
            levels[iteration] = torch.cuda.memory_allocated()

    method = made("maml", SPECS[:1], **settings)
    with CUDA.active():
        meta_train(method, sampler(SPECS[:1]), 300, tmp_path, runtime=CUDA, on_progress=watch)
    assert abs(levels[299] - levels[50]) <= 2**20


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_lower_precision_trains(precision: str, tmp_path: Path) -> None:
    runtime = Runtime("cuda", precision)  # type: ignore[arg-type]
    for index, (name, settings) in enumerate((("maml", {}), ("maml", BATCH_NORM), ("protonet", {}))):
        state = trained(name, settings, tmp_path / str(index), runtime)  # type: ignore[arg-type]
        assert all(t.dtype != torch.bfloat16 for t in state.values())
    about = runtime.describe()
    assert about["precision"] == precision and "cuda (" in about["device"] and "MiB" in about["device memory"]


@pytest.mark.parametrize("name", [name for name in METHODS if METHODS[name].trains and not WAITS.get(name)])
def test_an_iteration_waits_for_nothing(name: str) -> None:
    steps_without_waiting(name)


def steps_without_waiting(name: str) -> None:
    """After the first ones, which measure and record; what is read of losses is read later."""
    specs = specs_of(name)
    method = made(name, specs)
    batch = [episodes.to(CUDA.place) for episodes in sampler(specs)[0]]
    with CUDA.active(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls this mode a prototype
        state = CUDA.start(method, generator(0, "gpu"))
        for iteration in range(4):
            if CUDA.place.type == "cuda":
                torch.cuda.set_sync_debug_mode("error" if iteration == 3 else "default")
            try:
                state = State(method.step(state, Progress(iteration, 10**6), batch)[0])
            finally:
                if CUDA.place.type == "cuda":
                    torch.cuda.set_sync_debug_mode("default")
