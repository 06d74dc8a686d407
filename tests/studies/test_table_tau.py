"""Kendall's tau against a table, and a supernet's accuracies with inherited weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import metanas
from metanas.base.errors import InvalidValue
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


def test_a_supernet_of_a_run_answers_with_each_architecture(table: Table, tmp_path: Path) -> None:
    settings = {f"space.{key}": value for key, value in table.about.definition.space.items()}
    settings |= {"space.sampling": "uniform", "suite.queries": 3}
    run = metanas.run(
        "protonet", domains=["langid"], seeds=[0], budget="smoke", settings=settings, out=tmp_path / "run"
    )
    listed, accuracies = inherited(table, run.folder, seed=0, episodes=2, root=None)
    assert len(listed) == 39 and list(accuracies) == ["langid"]  # C-P-F is not of the space
    assert len(set(accuracies["langid"].tolist())) > 5  # each has its own answers
    [found] = kendall(table, accuracies, listed)
    assert -1 < found.tau < 1
    definition = table.about.definition
    other = definition.model_copy(update={"space": {**definition.space, "stem": "conv"}})
    conv = replace(table, about=table.about.model_copy(update={"definition": other}))
    with pytest.raises(InvalidValue, match=r"space\.stem is lean in .* and conv in the table"):
        inherited(conv, run.folder, seed=0, episodes=2, root=None)
