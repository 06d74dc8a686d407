"""Methods run on a device that is not the CPU: on `meta`, which needs no card, and steps wait for nothing.

`metanas/testing/devices.py` does so for every method and network; `tests/models/test_device.py` has every
operation of the supernet; `tests/gpu` compares values on a card.
"""

import math

import pytest
import torch

from metanas.base.plugins import PluginError
from metanas.data.episode import moved
from metanas.method import METHODS, State
from metanas.testing import devices
from metanas.testing.check import CheckFailed
from metanas.testing.devices import META, Read, Single
from metanas.testing.inputs import SPECS


@pytest.mark.parametrize("name", ["maml", "protonet"])
def test_the_supernet_of_all_modalities_runs_on_another_device(name: str) -> None:
    devices.run_elsewhere(devices.made(name, SPECS), SPECS)


def test_a_tensor_made_on_the_cpu_is_caught() -> None:
    state = State({"weights/a": torch.ones(3)}).to(META)
    with pytest.raises(RuntimeError, match="device"):
        state["weights/a"] + torch.ones(3)


def test_only_what_is_learned_moves() -> None:
    state = State(
        {
            "weights/a": torch.ones(3),
            "rates/b": torch.ones(()),
            "memory/2/weights/a": torch.ones((), dtype=torch.float64),
            "seed": torch.tensor(1),
        }
    )
    assert [t.device.type for t in state.to(META).values()] == ["meta", "meta", "cpu", "cpu"]
    assert state.to(META).device == META and state.device.type == "cpu"
    assert math.isclose(float(state.to(torch.device("cpu"))["rates/b"]), 1.0)


TRIALS = {"reads by cpu", "reads by tolist"}  # of the phase that scores candidates
WAITS = {  # what steps wait for: values that say which candidates are computed, or how good one is
    "metanas": {"reads by tolist"},
    "random-arch": {"reads by tolist"},
    "tnas": {"reads by tolist"},
    **dict.fromkeys(
        ("evolution", "gp", "naswot", "random-search", "successive-halving", "synflow", "tpe"), TRIALS
    ),
    "grad-norm": {"reads by tolist", "reads by __float__", "copies to it by to"},
}


@pytest.mark.parametrize("name", list(METHODS))
def test_a_step_waits_for_nothing_but_what_is_listed(name: str) -> None:
    try:
        method = devices.made(name, SPECS[:1])
    except PluginError as error:
        pytest.skip(str(error))
    assert set(devices.run_elsewhere(method, SPECS[:1])) == WAITS.get(name, set())


def test_what_a_card_is_waited_for_is_seen() -> None:
    t = torch.ones(3, device=META)
    with Read() as seen:
        float(t.sum())
        torch.ones(3).to(META)
        torch.tensor([1.0, 2.0], device=META)
        t[[0, 1]]
        torch.linalg.solve(torch.ones(2, 2, device=META), torch.ones(2, 1, device=META))
        assert len(seen.waits) == 5
        moved(torch.ones(3), META)
        torch.zeros(3, device=META)[0] + 2.0
        assert len(seen.waits) == 5


def test_float64_on_a_device_is_refused() -> None:
    with Single(), pytest.raises(CheckFailed, match="makes a float64 tensor on the device"):
        torch.ones(3, device=META).double()
    with Single():
        torch.ones(3).double()  # on the CPU it may be


def test_a_graph_refuses_a_tensor_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    with pytest.raises(RuntimeError, match="a tensor of the CPU cannot be part of a CUDA graph"):
        moved(torch.ones(3), torch.device("cuda"))
