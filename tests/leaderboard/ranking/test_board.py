"""Boards: who is ranked with whom and how, and how a board is printed."""

import io
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from rich.console import Console

from leaderboard.store.store import Store
from leaderboard.web.static_site import boards, show
from metanas.evaluation import result
from metanas.evaluation.one_to_many import with_baseline
from metanas.evaluation.paired import LEVEL
from metanas.evaluation.result import ResultError
from tests import runs
from tests.leaderboard.serving import SQLITE


def test_the_same_result_twice_is_one_row_and_a_newer_one_supersedes(store: Store, tmp_path: Path) -> None:
    runs.make(tmp_path / "a", "m", 0.4)
    store.add(tmp_path / "a")
    store.add(tmp_path / "a")
    runs.make(tmp_path / "b", "m", 0.8)
    store.add(tmp_path / "b")
    (board,) = boards(store)
    assert len(board.lines) == 1
    assert board.lines[0].mean > 0.7


@SQLITE
def test_a_sample_never_shares_a_ranking_with_the_full_set(store: Store, tmp_path: Path) -> None:
    runs.make(tmp_path / "full", "full", 0.5)
    runs.make(tmp_path / "part", "part", 0.9, sample=True)
    store.add(tmp_path / "full")
    store.add(tmp_path / "part")
    assert [len(board.lines) for board in boards(store)] == [1, 1]


@SQLITE
def test_a_broken_result_stores_nothing(store: Store, tmp_path: Path) -> None:
    runs.make(tmp_path / "a", "m", 0.5)
    (tmp_path / "a" / "architecture.json").write_text("[]")
    with pytest.raises(ResultError, match=r"architecture.json: not what metanas writes"):
        store.add(tmp_path / "a")
    assert boards(store) == []


def test_methods_are_ranked_by_recomputed_accuracy_in_the_ranges_of_the_comparisons_of_each(
    store: Store, tmp_path: Path
) -> None:
    for name, skill in (("a", 0.5), ("b", 0.52), ("c", 0.8), ("d", 0.3)):
        runs.make(tmp_path / name, name, skill)
        store.add(tmp_path / name)
    (board,) = boards(store)
    means = [line.mean for line in board.lines]
    assert means == sorted(means, reverse=True)
    assert [(line.method, line.ranks) for line in (board.lines[0], board.lines[-1])] == [
        ("c", "1"),
        ("d", "4"),
    ]
    for line in board.lines:
        others = [a for a in with_baseline(board.views(), line.method, LEVEL) if a.p < LEVEL]
        better = sum(other.difference.mean > 0 for other in others)
        assert (line.place.first, line.place.last) == (1 + better, 4 - (len(others) - better))
    assert [line.place.best for line in board.lines] == [True, False, False, False]


@SQLITE
def test_copies_of_a_method_count_once_and_the_oldest_names_the_family(store: Store, tmp_path: Path) -> None:
    for name, skill in (("z", 0.8), ("a", 0.8), ("d", 0.3)):
        runs.make(tmp_path / name, name, skill)
        store.add(tmp_path / name)
    (board,) = boards(store)
    assert {line.method: (line.place.family, line.ranks) for line in board.lines} == {
        "z": ("z", "1"),
        "a": ("z", "1"),
        "d": ("d", "2"),
    }
    assert set(board.founders) == {"z", "d"}


@SQLITE
def test_the_mean_weighs_every_domain_alike_and_the_worst_is_named(store: Store, tmp_path: Path) -> None:
    runs.make(tmp_path / "a", "m", 0.5)
    store.add(tmp_path / "a")
    (line,) = boards(store)[0].lines
    means = {task: interval.mean for task, interval in line.tasks.items()}
    by_domain = {task.partition("/")[0]: mean for task, mean in means.items()}
    assert line.mean == pytest.approx(sum(by_domain.values()) / 2)
    assert line.worst == min(((d, m) for d, m in by_domain.items()), key=lambda pair: pair[1])
    assert line.normalised == pytest.approx((line.mean - 0.2) / 0.8), "five ways: chance is 0.2"


def printed(store: Store, width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    for table in show(store, width):
        console.print(table)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_a_wide_board_is_shown_in_80_characters_without_a_broken_number(tmp_path: Path) -> None:
    made = runs.make(tmp_path / "a", "a-method", 0.5)
    table = result.read_table(tmp_path / "a" / result.PREDICTIONS, result.SCHEMA)
    table = table.filter(pc.field("task") == "digits/5w1s")
    domains = [f"some-domain-{i}" for i in range(18)]
    tasks, tables = [], []
    for domain in domains:
        for shots in (1, 5):
            task = made.tasks[0].model_copy(update={"domain": domain, "shots": shots})
            names = pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(table), np.int16)), [task.name])
            tables.append(table.set_column(0, "task", names))
            tasks.append(task)
    digest = result.write_table(tmp_path / "a" / result.PREDICTIONS, pa.concat_tables(tables))
    result.write(
        tmp_path / "a", made.model_copy(update={"tasks": tuple(tasks), "predictions_sha256": digest})
    )
    store = Store(f"sqlite:///{tmp_path}/wide.db", tmp_path / "data")
    store.add(tmp_path / "a")
    (line,) = boards(store)[0].lines
    for width in (80, 200):
        lines = printed(store, width)
        assert max(map(len, lines)) <= width
        text = "\n".join(lines)
        assert all(text.count(f" {domain} ") == 1 for domain in domains), "each has its column, unbroken"
        for domain in domains:
            assert f" {100 * line.domains[domain]:.1f} " in text
    store.close()


@SQLITE
def test_a_board_that_fits_shows_every_task_with_its_interval(store: Store, tmp_path: Path) -> None:
    runs.make(tmp_path / "a", "m", 0.5)
    store.add(tmp_path / "a")
    (line,) = boards(store)[0].lines
    text = "\n".join(printed(store, 120))
    assert "digits 1-shot" in text and line.tasks["digits/5w1s"].percent() in text


@SQLITE
def test_numbers_of_seeds_are_shown_where_they_differ(store: Store, tmp_path: Path) -> None:
    for name, seeds in (("a", 3), ("b", 3)):
        runs.make(tmp_path / name, name, 0.5, seeds=seeds)
        store.add(tmp_path / name)
    assert "seeds" not in "\n".join(printed(store, 120))
    runs.make(tmp_path / "c", "c", 0.7, seeds=4)
    store.add(tmp_path / "c")
    cells = [[cell.strip() for cell in re.split("[│┃]", line)] for line in printed(store, 120)]
    (column,) = {line.index("seeds") for line in cells if "seeds" in line}
    assert [line[column] for name in "abc" for line in cells if name in line] == ["3", "3", "4"]
