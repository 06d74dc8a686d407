"""Kendall's tau against a table, and a supernet's accuracies with inherited weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import metanas
from metanas.base.errors import InvalidValue
from metanas.data.datasets import Datasets
from metanas.data.episode import VALIDATION_SEED
from metanas.engine.checkpoint import checkpoint
from metanas.engine.config import of_run, settings_of
from metanas.engine.predict import right_answers
from metanas.meta.outer import pack
from metanas.method import METHODS
from metanas.space.architecture import Architecture
from metanas.studies.table_tau import inherited, kendall
from metanas.tables.table import Table
from tests import known_table


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return known_table.table(tmp_path_factory.mktemp("table"))


def test_tau_is_1_for_the_table_s_own_ranking_and_its_negative_for_the_reverse(table: Table) -> None:
    own = table.accuracies("digits", "val")
    [same] = kendall(table, {"digits": own})
    [reverse] = kendall(table, {"digits": -own})
    assert same.tau == pytest.approx(1) and reverse.tau == pytest.approx(-1)
    assert same.architectures == 40 and same.ceiling > 0.8
    noise = np.random.default_rng(0).standard_normal(40)
    [none] = kendall(table, {"digits": noise})
    assert none.low < none.tau < none.high and none.low < 0.1 and none.high - none.low < 0.7


def test_wrong_numbers_are_refused(table: Table) -> None:
    with pytest.raises(InvalidValue, match="one of each architecture, got 2 of digits"):
        kendall(table, {"digits": np.zeros(2)})


def trained(table: Table, folder: Path, method: str, **settings: object) -> Path:
    """The folder of a smoke run on langid over the table's space."""
    space = {f"space.{key}": value for key, value in table.about.definition.space.items()}
    every = {**space, "space.sampling": "uniform", "suite.queries": 3, **settings}
    run = metanas.run(method, domains=["langid"], seeds=[0], budget="smoke", settings=every, out=folder)
    return run.folder


def alone(run: Path, architecture: Architecture) -> float:
    """Meta-validation accuracy of a ProtoNet on this one architecture, built with the run's weights.

    Nothing of the supernet's own code: `DerivedNet` has no candidates, and each episode is answered by
    itself.
    """
    config = of_run(run)
    data = Datasets.open(config.suite, None)
    domain, shapes = data["langid"], config.suite.shapes("langid")
    fixed = {"space": {**config.settings["space"], "architecture": str(architecture)}}
    kind = METHODS["protonet"]
    method: Any = kind([domain.spec(5)], settings_of(kind, fixed))
    state = pack(method.net.inherited(checkpoint(run, 0).state.params))
    right = [
        right_answers(method, state, domain, "val", shape, VALIDATION_SEED, 2).sum() / (2 * 5 * 3)
        for shape in shapes
    ]
    return float(np.mean(right))


def test_a_supernet_of_a_run_answers_with_each_architecture(table: Table, tmp_path: Path) -> None:
    folder = trained(table, tmp_path / "run", "protonet")
    listed, accuracies = inherited(table, folder, seed=0, episodes=2, root=None)
    assert len(listed) == 39 and list(accuracies) == ["langid"]  # C-P-F is not of the space
    assert len(set(accuracies["langid"].tolist())) > 5  # each has its own answers
    [found] = kendall(table, accuracies, listed)
    assert -1 < found.tau < 1
    definition = table.about.definition
    other = definition.model_copy(update={"space": {**definition.space, "stem": "conv"}})
    conv = replace(table, about=table.about.model_copy(update={"definition": other}))
    with pytest.raises(InvalidValue, match=r"space\.stem is lean in .* and conv in the table"):
        inherited(conv, folder, seed=0, episodes=2, root=None)


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("protonet", {}),
        ("protonet", {"space.sampling": "mixture"}),
        ("loo-nas", {"focus": 1.0, "head": "prototype"}),
    ],
)
def test_an_inherited_accuracy_is_that_of_the_one_architecture_with_these_weights(
    method: str, settings: dict[str, object], table: Table, tmp_path: Path
) -> None:
    run = trained(table, tmp_path / "run", method, **settings)
    listed, accuracies = inherited(table, run, seed=0, episodes=2, root=None)
    assert len(set(accuracies["langid"].tolist())) > 5
    for place in (0, 7, 20, 38):
        assert accuracies["langid"][place] == pytest.approx(alone(run, listed[place]), abs=1e-9)


def test_a_network_that_is_no_supernet_is_refused(table: Table, tmp_path: Path) -> None:
    run = trained(table, tmp_path / "run", "protonet", **{"network.kind": "conv4"})
    with pytest.raises(InvalidValue, match="has no supernet: protonet answers under no given architecture"):
        inherited(table, run, seed=0, episodes=2, root=None)
