"""The board's memory: the same promises on SQLite and PostgreSQL."""

import multiprocessing
import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from leaderboard.ranking import standing
from leaderboard.store import database, migrate
from leaderboard.store.blobs import BlobError, Blobs
from leaderboard.store.database import Database, StoreError
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
        ("postgresql://nobody@/none?host=/nowhere", "cannot be opened"),
    ],
)
def test_a_database_that_cannot_be_opened_is_one_clear_error(url: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        Database(url)
