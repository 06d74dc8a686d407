"""A checkpoint says what it is: one that is damaged, or another method's, is named in a line."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from metanas.base.errors import DamagedFile
from metanas.engine.checkpoint import Trained, check_fits, load, save_checkpoint
from metanas.method import State

START = State({"weights/a": torch.zeros(2), "arch/b": torch.zeros(3)})
ABOUT = {"iteration": 3, "seconds": 1.0, "names": ["weights/a"]}


@pytest.mark.parametrize(
    "about",
    [
        [],
        None,
        ABOUT | {"iteration": -4},
        ABOUT | {"seconds": float("nan")},
        ABOUT | {"seconds": -1},
        ABOUT | {"iteration": None},
        ABOUT | {"names": ["weights/z"]},
        ABOUT | {"names": 5},
        ABOUT | {"devices": 5},
    ],
)
def test_an_entry_of_a_wrong_kind_is_a_damaged_file(about: object, tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_file({"weights/a": torch.zeros(2)}, path, {"about": json.dumps(about)})
    with pytest.raises(DamagedFile, match=r"state.safetensors is damaged .*; delete it to start again"):
        load(path)


def test_without_devices_it_was_the_cpu(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_file({"weights/a": torch.zeros(2)}, path, {"about": json.dumps(ABOUT | {"devices": []})})
    found = load(path)
    assert found is not None and found.devices == ("cpu",)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"weights/a": torch.zeros(2)}, "arch/b is missing, expected shape .3,."),
        ({"weights/a": torch.zeros(4), "arch/b": torch.zeros(3)}, "weights/a has shape .4,., expected shape"),
    ],
)
def test_a_state_of_another_method_does_not_fit(
    state: dict[str, torch.Tensor], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "state.safetensors"
    save_checkpoint(path, Trained(State(state), 1, 0.0))
    kept = load(path)
    assert kept is not None
    with pytest.raises(DamagedFile, match=f"not of this method and these settings: {message}"):
        check_fits(kept.state, START, path)


def test_a_part_of_a_state_may_be_missing_where_another_network_takes_it(tmp_path: Path) -> None:
    more = State({"arch/b": torch.zeros(3), "memory/0/arch/b": torch.zeros(3)})
    check_fits(more, START, tmp_path, whole=False)
    with pytest.raises(DamagedFile, match="weights/a is missing"):
        check_fits(more, START, tmp_path)
