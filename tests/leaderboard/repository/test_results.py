"""Committed results: they open a board that is empty, and all that lie in this repository are valid."""

from pathlib import Path

from leaderboard.bundle import reading
from leaderboard.ranking import standing
from leaderboard.repository import results
from leaderboard.scoring.validate import validate
from leaderboard.store.store import Store
from metanas.cli.board import export
from tests.leaderboard import bundles


def test_a_board_opens_with_what_is_committed_once(tmp_path: Path) -> None:
    for name in ("one", "two"):
        results.stage(bundles.members(tmp_path / name, name), tmp_path / "repository")
    store = Store(tmp_path / "board.db")
    folder = tmp_path / "repository" / results.ROOT
    assert [results.open_with(store, folder) for _ in range(2)] == [2, 0]


def test_committed_results_never_replace_ones_own(tmp_path: Path) -> None:
    results.stage(bundles.members(tmp_path / "one", "one", seed=1), tmp_path / "repository")
    store = Store(tmp_path / "board.db")
    bundles.run(tmp_path / "mine", "one", seed=2)
    track = store.add(tmp_path / "mine")
    (before,) = standing.current(store, track)
    assert results.open_with(store, tmp_path / "repository" / results.ROOT) == 0
    assert [found.id for found in standing.current(store, track)] == [before.id]
    assert results.open_with(store, tmp_path / "repository" / results.ROOT) == 0


def test_a_site_of_an_empty_board_shows_the_committed_results(tmp_path: Path) -> None:
    results.stage(bundles.good(), tmp_path / "repository")
    there = tmp_path / "repository" / results.ROOT
    export(tmp_path / "site", str(tmp_path / "board.db"), tmp_path, there)  # without transfer studies
    (table,) = (tmp_path / "site").glob("*/leaderboard.csv")
    assert "mine" in table.read_text()


def test_every_committed_result_is_valid(tmp_path: Path) -> None:
    """What lies in leaderboard/results opens a board; nothing there is broken or in the wrong place."""
    store = Store(tmp_path / "board.db")
    assert results.open_with(store) == len(results.bundles())
    for folder in results.bundles():
        validate(reading.read(folder))
    for path in results.FOLDER.rglob("*"):
        assert path.is_dir() or path.name == "README.md" or path.parent in results.bundles(), path
