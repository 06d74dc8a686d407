from pathlib import Path

import pytest

from leaderboard.board import boards
from leaderboard.pages import export
from leaderboard.store.store import Store
from metanas.evaluation.result import ResultError
from tests import runs


def test_methods_are_ranked_by_recomputed_accuracy(store: Store, tmp_path: Path) -> None:
    for name, skill in (("scratch", 0.4), ("best", 0.9), ("middle", 0.6)):
        runs.make(tmp_path / name, name, skill)
        store.add(tmp_path / name)
    (board,) = boards(store)
    assert [line.place.name for line in board.lines] == ["best", "middle", "scratch"]
    assert [line.ranks for line in board.lines] == ["1", "2", "3"]
    assert board.against_scratch["best"]["digits"] < 0.01


def test_the_same_result_twice_is_one_row_and_a_newer_one_supersedes(store: Store, tmp_path: Path) -> None:
    runs.make(tmp_path / "a", "m", 0.4)
    store.add(tmp_path / "a")
    store.add(tmp_path / "a")
    runs.make(tmp_path / "b", "m", 0.8)
    store.add(tmp_path / "b")
    (board,) = boards(store)
    assert len(board.lines) == 1
    assert board.lines[0].place.mean.mean > 0.7


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


def test_pages_say_what_a_reader_must_know_and_are_the_same_bytes_twice(store: Store, tmp_path: Path) -> None:
    runs.make(tmp_path / "a", "best", 0.9)
    store.add(tmp_path / "a")
    sites = [export(store, tmp_path / name).parent for name in ("one", "two")]
    index = (sites[0] / "index.html").read_text()
    assert "spoken-words 1-shot (synthetic)" in index
    assert "http" not in index.replace("http-equiv", "")
    names = sorted(path.name for path in sites[0].iterdir())
    assert len(names) == 3
    for name in names:
        assert (sites[0] / name).read_bytes() == (sites[1] / name).read_bytes()
