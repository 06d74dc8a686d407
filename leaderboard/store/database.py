"""The database connection: SQLite by default, PostgreSQL for a shared server, migrated to the newest schema.

`read` and `write` are the two kinds of transaction. On SQLite a writer takes the lock at its start (BEGIN
IMMEDIATE: a reader that becomes a writer would get "database is locked" at once, whatever the timeout), and
every commit reaches the disk (WAL, synchronous=FULL). Comes after `models.py`; next: `store.py`.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import Session

from metanas.base import redact
from metanas.base.errors import InvalidValue

HEAD = "0005"  # the newest migration; a test compares it with Alembic's
ONE_ADDS = 0x6D6E6164  # any number that no other program locks in this database
BUSY_MS = 30_000  # how long SQLite waits for a lock
REMEDIES = {
    "locked": f"; another program held it for {BUSY_MS // 1000} s: end that, and give the same command again",
    "readonly": "; make file and folder writable, or give another --db",
    "unable to open": "; is there such a folder, and may you write to it?",
    "malformed": "; restore a backup (metanas leaderboard restore), or move it away and add the runs again",
    "not a database": "; give the SQLite file of a board, or move this one away",
    "no such table": "; it is damaged: restore a backup, or move it away and add the runs again",
}


class StoreError(InvalidValue):
    """A board cannot be opened, backed up or restored; the message says why and what to do."""


class StoreUnusable(StoreError):
    """The database is locked, read-only, damaged, or does not answer."""

    exit_code = 3


class Database:
    """An open database whose schema is up to date.

    url: see `parse`. StoreError if it cannot be opened or its schema is newer than this program.
    """

    def __init__(self, url: str) -> None:
        self.url = parse(url)
        if self.sqlite and self.url.database and not self.url.database.startswith("file:"):
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        try:
            self.engine = _engine(self.url)
            self._writer = self.engine.execution_options(write=True)
            with self._usable():
                self._migrate()
        except DBAPIError as error:
            raise StoreError(f"{shown(self.url)} cannot be opened: {_reason(self.url, error)}") from error
        except StoreError:
            raise
        except (TypeError, ValueError) as error:  # the driver cannot use an option of the address
            raise StoreError(f"--db {shown(self.url)}: its options cannot be used") from error

    @property
    def sqlite(self) -> bool:
        """Whether this is SQLite; otherwise it is PostgreSQL."""
        return self.url.get_backend_name() == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that only reads. StoreUnusable."""
        with self._usable(), Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that is committed at the end, or rolled back by an exception. StoreUnusable."""
        with self._usable(), Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """Turn what the database itself fails at into StoreUnusable, with what to do about it."""
        try:
            yield
        except DBAPIError as error:
            if type(error) not in (OperationalError, DatabaseError):
                raise  # a constraint, or a mistake of ours
            reason = _reason(self.url, error)
            remedy = next((do for fault, do in REMEDIES.items() if fault in reason), "")
            raise StoreUnusable(f"{shown(self.url)} cannot be used: {reason}{remedy}") from error

    def check_writable(self) -> None:
        """StoreUnusable if a transaction that writes cannot begin: a read-only file, or a lock that stays."""
        with self.write() as session:
            session.execute(text("UPDATE alembic_version SET version_num = version_num"))

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def revision(self) -> str | None:
        """The schema's revision; None for an empty database. StoreError for tables from before 0.2."""
        with self.engine.connect() as connection:
            tables = inspect(connection).get_table_names()
            if "alembic_version" in tables:
                version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
                return None if version is None else str(version)
        if "submission" in tables:
            raise StoreError(
                f"{self.url.database} was written by a version before 0.2, whose boards kept no predictions; "
                "move it away and add the run folders again: metanas leaderboard add runs/..."
            )
        return None

    def _migrate(self) -> None:
        if self.revision() == HEAD:
            return
        with self._migrating_alone():
            self._upgrade()

    @contextmanager
    def _migrating_alone(self) -> Iterator[None]:
        """Hold the lock of an SQLite file's folder; Alembic reads the revision before it locks the file."""
        if not self.sqlite or not self.url.database or self.url.database.startswith((":", "file:")):
            yield
            return
        folder = os.open(Path(self.url.database).absolute().parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _upgrade(self) -> None:
        current = self.revision()
        if current == HEAD:  # another process was faster
            return
        if current is not None and current > HEAD:
            raise StoreError(
                f"{shown(self.url)} has schema {current}, this version knows up to {HEAD}; "
                "install a newer metanas"
            )
        from leaderboard.store import migrate  # Alembic is not needed once the schema is there

        migrate.upgrade(self.engine)


def alone(session: Session) -> None:
    """Wait until no other process adds submissions, and keep it so until the end of the transaction.

    For PostgreSQL: SQLite's writers exclude each other anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"SELECT pg_advisory_xact_lock({ONE_ADDS})"))


def parse(url: str) -> URL:
    """The URL of a database, given as a URL or the path of an SQLite file. StoreError otherwise."""
    try:
        parsed = make_url(url) if "://" in url else URL.create("sqlite", database=url)
    except (ArgumentError, ValueError) as error:  # a port that is no number is a ValueError
        raise StoreError(
            f"--db wants a file or a URL like postgresql://user@host/name, got {redact.address(url)!r}"
        ) from error
    in_memory = not parsed.database or ":memory:" in parsed.database or parsed.query.get("mode") == "memory"
    if parsed.get_backend_name() == "sqlite" and in_memory:
        raise StoreError(f"--db {url!r} names no file; give one, like sqlite:///runs/leaderboard.db")
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite":
        raise StoreError(f"a board lies in SQLite or PostgreSQL, not in {parsed.get_backend_name()}")
    return parsed


def shown(url: URL) -> str:
    """A URL as messages show it: without password, and without options, which may hold one too."""
    return redact.address(url.render_as_string(hide_password=False))


def _reason(url: URL, error: DBAPIError) -> str:
    reason = " ".join(str(error.orig).split())
    return redact.without(reason, url.render_as_string(hide_password=False))


def _engine(url: URL) -> Engine:
    try:
        if url.get_backend_name() == "sqlite":
            engine = create_engine(url, pool_size=20, max_overflow=40)
            event.listen(engine, "connect", _durable)
            event.listen(engine, "begin", _begin)
            return engine
        return create_engine(url, pool_size=20, max_overflow=40, pool_pre_ping=True)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise StoreError("PostgreSQL needs the server extra: pip install 'metanas[leaderboard]'") from error


def _durable(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # we begin ourselves, see _begin
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    _write_ahead(connection)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _write_ahead(connection: Any) -> None:
    """Switch to WAL, waiting as for any lock: busy_timeout does not hold for it while another writes."""
    end = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)


def _begin(connection: Any) -> None:
    writes = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
