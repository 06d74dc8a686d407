"""The board's memory: the same promises on SQLite and PostgreSQL."""

import multiprocessing
import shutil
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from leaderboard.accounts.receipts import ServerKey
from leaderboard.ranking import standing
from leaderboard.repository.results import FOLDER, open_with
from leaderboard.store import database, migrate
from leaderboard.store.blobs import BlobError, Blobs
from leaderboard.store.database import Database, StoreError, StoreUnusable
from leaderboard.store.store import Store
from metanas.evaluation import result
from tests import runs


def test_models_and_migrations_describe_the_same_tables(empty_url: str) -> None:
    opened = Database(empty_url)
    command.check(migrate.config(opened.engine))  # raises where they differ
    assert ScriptDirectory.from_config(migrate.config(opened.engine)).get_current_head() == database.HEAD
    opened.close()


def test_a_schema_goes_down_to_nothing_and_up_again(empty_url: str) -> None:
    opened = Database(empty_url)
    migrate.downgrade(opened.engine, "base")
    assert opened.revision() is None
    migrate.upgrade(opened.engine)
    assert opened.revision() == database.HEAD
    opened.close()


def open_and_close(url: str) -> None:
    Database(url).close()


def test_processes_that_make_the_schema_at_once_do_not_collide(empty_url: str) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:  # forked: all at the same moment
        pool.map(open_and_close, [empty_url] * 8, chunksize=1)


def open_board(url: str, data: Path, results: Path, moment: float) -> tuple[str, int]:
    """What `metanas leaderboard serve` does first; returns the board's key and its number of submissions."""
    time.sleep(max(0.0, moment - time.time()))
    with closing(Store(url, data)) as store:
        open_with(store, results)
        return ServerKey.open(store.data / "server-key.hex").public, len(standing.current(store))


def test_servers_that_start_on_a_new_board_at_once_all_open_it(empty_url: str, tmp_path: Path) -> None:
    shutil.copytree(FOLDER / "mini-v1/chance/020a1320a88f", tmp_path / "results/mini-v1/chance/020a1320a88f")
    moment = time.time() + 0.3
    with multiprocessing.get_context("fork").Pool(4) as pool:
        words = [(empty_url, tmp_path / "data", tmp_path / "results", moment)] * 4
        opened = pool.starmap(open_board, words, chunksize=1)
    assert len({key for key, _ in opened}) == 1 and {count for _, count in opened} == {1}


def test_a_new_file_that_another_program_writes_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "board.db"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("CREATE TABLE notes (note TEXT)")
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.2, other.execute, ["COMMIT"])
        release.start()
        with closing(Database(str(path))) as opened:
            assert opened.revision() == database.HEAD
        release.join()


def test_a_locked_board_is_one_line_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "board.db"
    Store(path).close()
    runs.make(tmp_path / "run", "m", 0.7)
    monkeypatch.setattr(database, "BUSY_MS", 20)
    with closing(sqlite3.connect(path, isolation_level=None)) as other, closing(Store(path)) as store:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnusable, match="board.db cannot be used: database is locked; another"):
            store.add(tmp_path / "run")
    assert StoreUnusable.exit_code == 3


def test_a_read_only_or_damaged_board_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "board.db"
    Store(path).close()
    runs.make(tmp_path / "run", "m", 0.7)
    with closing(Store(f"sqlite:///file:{path}?mode=ro&uri=true", tmp_path / "data")) as store:
        with pytest.raises(StoreUnusable, match="readonly database; make file and folder writable"):
            store.add(tmp_path / "run")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE event")
    with (
        closing(Store(path)) as store,
        pytest.raises(StoreUnusable, match="no such table: event; it"),
    ):
        store.add(tmp_path / "run")
    for nowhere in ("", "sqlite://", "sqlite:///", ":memory:", "sqlite:///file:x?mode=memory&uri=true"):
        with pytest.raises(StoreError, match="names no file; give one, like sqlite:///runs"):
            Store(nowhere)
    with pytest.raises(StoreError, match="its options cannot be used"):
        Store(f"sqlite:///{path}?timeout=soon")
    path.write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    with pytest.raises(StoreUnusable, match="file is not a database; give the SQLite file of a board"):
        Store(path)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:planted@/none?host=/nowhere",
        "postgresql://ada@/none?host=/nowhere&password=planted",
        "postgresql://ada:planted@localhost:port/none",
        "mysql://ada:planted@localhost/x",
    ],
)
def test_no_message_shows_the_password_of_a_database(url: str) -> None:
    with pytest.raises(StoreError) as raised:
        Database(url)
    assert "planted" not in str(raised.value)


def test_the_audit_chain_cannot_be_changed_by_anyone(store: Store) -> None:
    with store.database.write() as session:
        session.execute(text("INSERT INTO audit VALUES (1, 'record', 'hash')"))
    for change in ("UPDATE audit SET record = 'other'", "DELETE FROM audit"):
        with pytest.raises(DBAPIError, match="append-only"), store.database.write() as session:
            session.execute(text(change))


def test_a_run_is_read_back_as_it_was_scored(store: Store, tmp_path: Path) -> None:
    runs.make(tmp_path / "a", "m", 0.7)
    before = standing.revision(store)
    store.add(tmp_path / "a")
    (row,) = standing.current(store)
    found = standing.one(store, row.id)
    assert found is not None
    for task, answers in result.read(tmp_path / "a").answers.items():
        assert (found.accuracies[task] == answers.accuracy).all()
    assert (found.state, found.tier, found.attempts, found.owner) == ("published", "recomputed", 1, None)
    assert [event.state for event in found.events] == ["received", "published"]
    assert standing.revision(store) > before
    assert standing.one(store, "nothing") is None
    for digest, size in found.files.values():
        assert len(store.blobs.get(digest)) == size


def test_blobs_are_checked_and_stay_in_their_folder(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    digest = blobs.put(b"content")
    assert blobs.put(b"content") == digest
    assert list(blobs) == [digest]
    blobs.path(digest).write_bytes(b"changed")
    with pytest.raises(BlobError, match="is damaged"):
        blobs.get(digest)
    for wrong in ("../../etc/passwd", "A" * 64, digest[:-1], ""):
        with pytest.raises(BlobError, match="not a SHA-256"):
            blobs.path(wrong)


def test_a_board_of_an_earlier_version_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "leaderboard.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE submission (id INTEGER PRIMARY KEY)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="written by a version before 0.2.*metanas leaderboard add"):
        Store(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://localhost/x", "a board lies in SQLite or PostgreSQL, not in mysql"),
        ("://", "--db wants a file or a URL like postgresql://"),
        ("postgresql://nobody@/none?host=/nowhere", "nobody@/none cannot be used: connection"),
    ],
)
def test_a_database_that_cannot_be_opened_is_one_clear_error(url: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        Database(url)
