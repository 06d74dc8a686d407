"""Committed results: they open a board that is empty, and all that lie in this repository are valid."""

import json
import os
from pathlib import Path

import pytest

from leaderboard.bundle import reading
from leaderboard.bundle.names import ENTRY
from leaderboard.ranking import standing
from leaderboard.repository import results
from leaderboard.scoring.validate import validate
from leaderboard.scoring.worker import Worker
from leaderboard.store.store import Store, score_files
from metanas.cli.board import export
from metanas.evaluation.result import ResultError
from tests.leaderboard import bundles
from tests.leaderboard.server.test_visibility import shown, until
from tests.leaderboard.serving import served


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


def _hostile(folder: Path) -> dict[str, str]:
    """Folders of results that are none: the name of each, and what is said of it."""
    good = bundles.members(folder.parent / "good", "good")
    document = json.loads(good["submission.json"])
    files: dict[str, dict[str, bytes]] = {
        "no-json": {"submission.json": b"{"},
        "deep": {"submission.json": b"[" * 200_000},
        "latin": {"submission.json": b"\xff\xfe"},
        "no-budget": {"submission.json": json.dumps({**document, "budget": {}}).encode()},
        "other-answers": {"predictions.parquet": b"PAR1"},
        "extra": {"other.bin": b""},
    }
    for name, changed in files.items():
        (folder / name).mkdir(parents=True)
        for file, content in {**good, **changed}.items():
            (folder / name / file).write_bytes(content)
    (folder / "alone").mkdir()
    (folder / "alone/submission.json").write_bytes(good["submission.json"])
    (folder / "folder/submission.json").mkdir(parents=True)
    (folder / "pipe").mkdir()
    os.mkfifo(folder / "pipe/submission.json")  # whoever opened it would wait for ever
    return {name: str(folder / name) for name in (*files, "alone", "folder", "pipe")}


@pytest.mark.parametrize("sandboxed", [False, True])
def test_results_that_are_broken_keep_no_other_away(tmp_path: Path, sandboxed: bool) -> None:
    folder = tmp_path / "repository" / results.ROOT
    hostile = _hostile(folder)
    for name in ("one", "two"):
        results.stage(bundles.members(tmp_path / name, name), tmp_path / "repository")
    store = Store(tmp_path / "board.db")
    worker = Worker(store)
    scorer = worker.score if sandboxed else score_files
    for _ in range(2):  # the second start
        with pytest.raises(ResultError, match=rf"^{len(hostile)} committed results are not published: ") as e:
            results.open_with(store, folder, scorer)
        assert "\n" not in str(e.value) and str(e.value).endswith(f"and {len(hostile) - results.SHOWN} more")
        (track,) = standing.tracks(store)
        assert {found.method for found in standing.current(store, track)} == {"one", "two"}
    worker.stop()


def test_what_is_wrong_with_a_result_is_said_of_its_folder(tmp_path: Path) -> None:
    for name, folder in _hostile(tmp_path / "all").items():
        (alone := tmp_path / "one" / name).mkdir(parents=True)
        os.rename(folder, alone / "result")
        with pytest.raises(ResultError, match="^1 committed results are not published: ") as error:
            results.open_with(Store(tmp_path / f"{name}.db"), alone)
        assert str(alone / "result") in str(error.value)


def test_a_server_logs_broken_results_in_a_line_and_serves_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "repository" / results.ROOT
    _hostile(folder)
    results.stage(bundles.members(tmp_path / "one", "one"), tmp_path / "repository")
    with served(str(tmp_path / "board.db"), tmp_path / "data", committed=folder) as server:
        until(lambda: shown(server) == {"one"})
        until(lambda: bool(caplog.records))
    (record,) = caplog.records
    assert record.exc_info is None and "committed results are not published" in record.getMessage()


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


def test_no_two_methods_are_described_alike() -> None:
    described: dict[str, set[str]] = {}
    for folder in results.bundles():
        entry = json.loads((folder / ENTRY).read_bytes())
        described.setdefault(entry["summary"], set()).add(folder.parent.name)
    assert [methods for methods in described.values() if len(methods) > 1] == []
