"""MAML and ProtoNet run with the supernet on a device that is not the CPU: on `meta`, which needs no card.

`metanas/testing/devices.py` does so for every method and network; `tests/models/test_device.py` has every
operation of the supernet; `tests/gpu` compares values on a card.
"""

import math

import pytest
import torch

from metanas.method import State
from metanas.testing import devices
from metanas.testing.devices import META
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
