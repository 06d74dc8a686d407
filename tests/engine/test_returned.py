"""A method that returns something else than it must is named, with the function and what is right."""

from pathlib import Path
from typing import Any

import pytest
import torch

from baselines.chance import Chance
from metanas.data.episode import Batch
from metanas.engine import returned
from metanas.engine.returned import ProtocolError
from metanas.method import Adapted, State
from tests.tiny import SPEC

METHOD = Chance([SPEC], Chance.Settings())
QUERY = Batch(torch.zeros(2, 4, *SPEC.input_shape), torch.zeros(2, 4, dtype=torch.long))
GOOD = State({"weights/a": torch.zeros(2)})


@pytest.mark.parametrize(
    ("function", "found", "message"),
    [
        ("started", None, r"Chance.start returned None; it is a metanas.State: tensors by name"),
        ("started", {"w": [1, 2]}, r"Chance.start returned a list as 'w'; all of it is tensors"),
        ("stepped", GOOD, r"Chance.step returned a State; it returns \(state, losses\), both by name"),
        ("stepped", (GOOD,), r"Chance.step returned a tuple; it returns \(state, losses\)"),
        ("stepped", (GOOD, torch.zeros(())), r"returned a Tensor as losses; they are numbers by name"),
        ("stepped", (GOOD, {"loss": torch.zeros(3)}), r"as losses; they are numbers by name, such as 'loss'"),
        ("stepped", ({"w": 1.0}, {}), r"Chance.step returned as state a float as 'w'; all of it is tensors"),
        ("adapted", None, r"Chance.adapt returned None; it returns metanas.Adapted\(predict\)"),
        ("adapted", lambda x: x, r"Chance.adapt returned a function; it returns metanas.Adapted\(predict\)"),
    ],
)
def test_what_is_wrong_is_said(function: str, found: Any, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        getattr(returned, function)(METHOD, found)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (torch.zeros(2, 4, 3), r"predict returned shape \(2, 4, 3\); \(2, 4, 5\) is right: tasks, queries"),
        (torch.zeros(2, 4), r"predict returned shape \(2, 4\); \(2, 4, 5\) is right"),
        (torch.zeros(2, 5, 4), r"predict returned shape \(2, 5, 4\); \(2, 4, 5\) is right"),
        (torch.zeros(2, 4, 5).numpy(), r"predict returned a ndarray; it returns a tensor \(2, 4, 5\)"),
        (None, r"predict returned None; it returns a tensor \(2, 4, 5\)"),
    ],
)
def test_predictions_of_another_form_are_told_the_right_one(found: Any, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        returned.predicted(found, QUERY, 5)


def test_what_is_right_is_taken_as_it_is() -> None:
    adapted = Adapted(lambda x: x)
    assert returned.adapted(METHOD, adapted) is adapted
    assert returned.started(METHOD, dict(GOOD)) == GOOD
    assert returned.stepped(METHOD, (dict(GOOD), {"loss": 0.5})) == (GOOD, {"loss": 0.5})


def test_a_method_of_a_script_that_lacks_something_is_told_what() -> None:
    from metanas.base.plugins import PluginError
    from metanas.method import METHODS

    @METHODS.register("without-a-base")
    class WithoutABase:
        pass

    try:
        with pytest.raises(
            PluginError,
            match="'without-a-base' .* has no trains, Settings, .*derive it from metanas.method.Method",
        ):
            METHODS["without-a-base"]
    finally:
        del METHODS._things["without-a-base"], WithoutABase


def test_a_setting_that_cannot_be_leaves_no_run(tmp_path: Path) -> None:
    """Else the corrected command would find a run with other settings."""
    import metanas

    wrong = {"network.kind": "bagg"}
    with pytest.raises(metanas.MetanasError, match="bagg"):
        metanas.run(
            "maml",
            "mini-v1",
            domains=["langid"],
            seeds=[0],
            budget="smoke",
            settings=wrong,
            out=tmp_path / "r",
        )
    assert not list((tmp_path / "r").rglob("*.yaml"))
