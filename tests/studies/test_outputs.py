"""What can fail after training is asked before it: the board, the pages' folder, the run folder, the disk."""

import sqlite3
from collections import namedtuple
from pathlib import Path

import pytest

from leaderboard.store import database
from leaderboard.store.database import StoreError
from leaderboard.store.store import Store
from metanas.base.errors import InvalidValue
from metanas.engine import config
from metanas.engine.config import RunConfig
from metanas.studies import grid, outputs, reevaluate, transfer


@pytest.fixture
def wanted(tmp_path: Path) -> list[tuple[RunConfig, Path]]:
    made = config.resolve("chance", "mini-v1", domains=("langid",), budget="smoke", seeds=(0,))
    return [(made, tmp_path / "run")]


@pytest.fixture(autouse=True)
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(*arguments: object, **options: object) -> None:
        raise AssertionError("something was run")

    monkeypatch.setattr(grid, "_open", work)


def start(wanted: list[tuple[RunConfig, Path]], db: Path | str | None, pages: Path | None = None) -> None:
    grid.run(wanted, root=None, jobs=1, db=None if db is None else str(db), kind="inline", pages=pages)


def test_a_board_that_cannot_be_opened(wanted: list[tuple[RunConfig, Path]], tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be used"):
        start(wanted, tmp_path)  # a folder
    with pytest.raises(StoreError, match="--db wants a file or a URL"):
        start(wanted, "postgresql://host:port/x")
    (tmp_path / "text").write_text("no database, though long enough to be one\n" * 100)
    with pytest.raises(StoreError, match="cannot be (opened|used)"):
        start(wanted, tmp_path / "text")


def test_a_board_that_stays_locked(
    wanted: list[tuple[RunConfig, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_MS", 10)
    Store(tmp_path / "board.db").close()
    other = sqlite3.connect(tmp_path / "board.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="cannot be used: database is locked"):
        start(wanted, tmp_path / "board.db")
    other.close()


def test_pages_or_a_run_folder_that_are_files(wanted: list[tuple[RunConfig, Path]], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        start(wanted, None, tmp_path / "file")
    with pytest.raises(OSError, match="file"):
        start([(wanted[0][0], tmp_path / "file" / "run")], None)


def test_a_disk_without_room(
    wanted: list[tuple[RunConfig, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(2**20, 2**20, 1000))
    full = "has 0 MiB free, and the runs need about"
    with pytest.raises(InvalidValue, match=full):
        start(wanted, None)
    made, run = wanted[0]
    with pytest.raises(InvalidValue, match=full):
        transfer.plan(made, ["langid"], (), ("both",), tmp_path / "study", None)
    config.write(made, run / "config.yaml")
    with pytest.raises(InvalidValue, match=full):
        reevaluate.reevaluate(run, "", (), "smoke", tmp_path / "out", None, curves=False)


def test_what_can_be_kept_goes_on_and_leaves_no_file(
    wanted: list[tuple[RunConfig, Path]], tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match="something was run"):
        start(wanted, tmp_path / "board.db", tmp_path / "pages")
    assert not list((tmp_path / "pages").iterdir()) and not list((tmp_path / "run").iterdir())
    store = Store(tmp_path / "board.db")
    assert not list(store.blobs)
    store.close()


def test_the_room_that_is_asked_for_grows_with_the_run(wanted: list[tuple[RunConfig, Path]]) -> None:
    small = wanted[0][0]
    full = config.resolve("chance", "mini-v1", budget="full")
    assert outputs.bytes_of(small) < 2**24 < outputs.bytes_of(full)
