"""Searches on a table of known accuracies: honest choices, repeatable, and better with more queries."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from metanas.base.errors import DamagedFile, InvalidValue
from metanas.base.registry import UnknownName
from metanas.search.searcher import SEARCHERS
from metanas.space.enumeration import member
from metanas.studies import table_page, table_search
from metanas.tables.table import Table
from tests import known_table


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return known_table.table(tmp_path_factory.mktemp("table"))


def test_random_search_finds_the_best_when_it_has_seen_all(table: Table) -> None:
    listed = [a for a in table.architectures if member(table.space, a) is not None]
    found = table_search.search(table, "random", "digits", queries=len(listed), repetitions=20)
    assert found.regrets.shape == (20, len(listed))
    assert np.allclose(found.regrets[:, -1], 0)
    assert found.regrets[:, 0].mean() == pytest.approx(1, abs=0.4)  # the first is a random architecture
    again = table_search.search(table, "random", "digits", queries=len(listed), repetitions=20)
    assert np.array_equal(found.regrets, again.regrets)
    assert not np.array_equal(found.regrets[0], found.regrets[1])


@pytest.mark.parametrize("name", ["tpe", "gp", "evolution"])
def test_searchers_that_learn_beat_random_search(name: str, table: Table) -> None:
    mine = table_search.search(table, name, "langid", queries=30, repetitions=10).regrets.mean(0)
    random = table_search.search(table, "random", "langid", queries=30, repetitions=40).regrets.mean(0)
    assert mine[20:].mean() <= random[20:].mean()


def test_successive_halving_pays_for_both_trainings(table: Table) -> None:
    found = table_search.search(table, "successive-halving", "digits", queries=30, repetitions=10)
    assert found.regrets[:, -1].mean() < found.regrets[:, 0].mean()


def test_wrong_questions_are_answered(table: Table) -> None:
    with pytest.raises(UnknownName, match="no searcher named 'radnom'; did you mean 'random'"):
        table_search.search(table, "radnom", "digits", queries=5, repetitions=1)
    with pytest.raises(UnknownName, match="no domain of the table named 'digit'"):
        table_search.search(table, "random", "digit", queries=5, repetitions=1)
    with pytest.raises(InvalidValue, match=r"queries lie in 1\.\.39 .*, got 40, 1"):
        table_search.search(table, "random", "digits", queries=40, repetitions=1)


def test_a_searcher_of_ones_own_runs_and_is_held_to_the_list(table: Table) -> None:
    @SEARCHERS.register("a-stranger")
    class Stranger:
        """The first candidate; after five queries something that is not listed."""

        def __init__(self, problem: object) -> None:
            pass

        def propose(self, history: tuple[object, ...], candidates: tuple[object, ...], rng: object) -> object:
            return candidates[0] if len(history) < 5 else table.architectures[table.index("C-P-F")]

    found = table_search.search(table, "a-stranger", "digits", queries=5, repetitions=2)
    assert np.array_equal(found.regrets[0], found.regrets[1])
    with pytest.raises(InvalidValue, match="a-stranger proposed conv3/relu > maxpool3 > fc/relu"):
        table_search.search(table, "a-stranger", "digits", queries=6, repetitions=1)
    del SEARCHERS._things["a-stranger"]  # other tests iterate over all


def test_figures_rows_and_picture_say_the_same(table: Table, tmp_path: Path) -> None:
    searches = [
        table_search.search(table, name, domain, queries=4, repetitions=5)
        for domain in table_search.domains_of(table)
        for name in ("random", "naswot")
    ]
    table_search.write(searches, table, tmp_path / "out")
    content = json.loads((tmp_path / "out/search.json").read_text())
    with (tmp_path / "out/search.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(content["regrets"]) == 3 * 2 * 4
    assert float(rows[-1]["regret"]) == content["regrets"][-1]["regret"] == searches[-1].regrets[:, -1].mean()
    drawing = (tmp_path / "out/regret.svg").read_text()
    assert drawing.startswith("<svg") and "Regret on known, 5 searches each" in drawing


def test_the_page_names_the_choices(table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_page, "QUERIES", 3)
    monkeypatch.setattr(table_page, "REPETITIONS", 2)
    monkeypatch.setattr(table_page, "MARKS", (1,))
    taus = tmp_path / "uniform.json"
    row = {
        "seed": 0,
        "domain": "digits",
        "tau": 0.5,
        "low": 0.4,
        "high": 0.6,
        "architectures": 9,
        "ceiling": 0.7,
    }
    taus.write_text(json.dumps([{**row, "tau": None}]))
    with pytest.raises(DamagedFile, match="uniform.json is not what `metanas table tau --out` writes"):
        table_page.write(table, tmp_path / "table.md", [taus])
    taus.write_text(json.dumps([row]))
    table_page.write(table, tmp_path / "table.md", [taus])
    text = (tmp_path / "table.md").read_text()
    assert "# known: the stand-alone truth of 40 architectures" in text
    assert f"Shared: {table.text(table.best('shared'))}" in text
    assert "| uniform | digits | 0.50 [0.40, 0.60] | 0.70 |" in text
    assert "| most parameters | digits | " in text and "| most multiply-accumulates | langid | " in text
    assert "![regret of every searcher over queries](table-regret.svg)" in text
    assert (tmp_path / "table-regret.svg").exists()
