from pathlib import Path

import pytest

from leaderboard.pages import boards
from leaderboard.store.store import Store
from metanas.evaluation.ranking import rank
from metanas.evaluation.result import ResultError
from tests import runs


def test_methods_are_ranked_by_recomputed_accuracy(store: Store, tmp_path: Path) -> None:
    for name, skill in (("scratch", 0.4), ("best", 0.9), ("middle", 0.6)):
        runs.make(tmp_path / name, name, skill)
        store.add(tmp_path / name)
    (board,) = boards(store)
    assert [line.method for line in board.lines] == ["best", "middle", "scratch"]
    assert [line.ranks for line in board.lines] == ["1", "2", "3"]


def test_the_same_result_twice_is_one_row_and_a_newer_one_supersedes(store: Store, tmp_path: Path) -> None:
    runs.make(tmp_path / "a", "m", 0.4)
    store.add(tmp_path / "a")
    store.add(tmp_path / "a")
    runs.make(tmp_path / "b", "m", 0.8)
    store.add(tmp_path / "b")
    (board,) = boards(store)
    assert len(board.lines) == 1
    assert board.lines[0].mean > 0.7


def test_a_sample_never_shares_a_ranking_with_the_full_set(store: Store, tmp_path: Path) -> None:
    runs.make(tmp_path / "full", "full", 0.5)
    runs.make(tmp_path / "part", "part", 0.9, sample=True)
    store.add(tmp_path / "full")
    store.add(tmp_path / "part")
    assert [len(board.lines) for board in boards(store)] == [1, 1]


def test_a_broken_result_stores_nothing(store: Store, tmp_path: Path) -> None:
    runs.make(tmp_path / "a", "m", 0.5)
    (tmp_path / "a" / "architecture.json").write_text("[]")
    with pytest.raises(ResultError, match=r"architecture.json: not what metanas writes"):
        store.add(tmp_path / "a")
    assert boards(store) == []


def test_rank_ranges_are_those_of_the_pairwise_tests(store: Store, tmp_path: Path) -> None:
    for name, skill in (("a", 0.5), ("b", 0.52), ("c", 0.8), ("d", 0.3)):
        runs.make(tmp_path / name, name, skill)
        store.add(tmp_path / name)
    (board,) = boards(store)
    expected = {place.name: place.ranks for place in rank(board.views())}
    assert {line.method: line.ranks for line in board.lines} == expected


def test_the_mean_weighs_every_domain_alike_and_the_worst_is_named(store: Store, tmp_path: Path) -> None:
    runs.make(tmp_path / "a", "m", 0.5)
    store.add(tmp_path / "a")
    (line,) = boards(store)[0].lines
    means = {task: interval.mean for task, interval in line.tasks.items()}
    by_domain = {task.partition("/")[0]: mean for task, mean in means.items()}
    assert line.mean == pytest.approx(sum(by_domain.values()) / 2)
    assert line.worst == min(((d, m) for d, m in by_domain.items()), key=lambda pair: pair[1])
    assert line.normalised == pytest.approx((line.mean - 0.2) / 0.8), "five ways: chance is 0.2"
