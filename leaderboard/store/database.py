"""The database connection: SQLite by default, PostgreSQL for a shared server, migrated to the newest schema.

`read` and `write` are the two kinds of transaction. On SQLite a writer takes the lock at its start (BEGIN
IMMEDIATE: a reader that becomes a writer would get "database is locked" at once, whatever the timeout), and
every commit reaches the disk (WAL, synchronous=FULL). Comes after `models.py`; next: `store.py`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.orm import Session

from metanas.base.errors import InvalidValue

HEAD = "0003"  # the newest migration; a test compares it with Alembic's
BUSY_MS = 30_000  # how long SQLite waits for a lock


class StoreError(InvalidValue):
    """A board cannot be opened, backed up or restored; the message says why and what to do."""


class Database:
    """An open database whose schema is up to date.

    url: see `parse`. StoreError if it cannot be opened or its schema is newer than this program.
    """

    def __init__(self, url: str) -> None:
        self.url = parse(url)
        if self.url.database and self.sqlite:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        self.engine = _engine(self.url)
        self._writer = self.engine.execution_options(write=True)
        try:
            self._migrate()
        except DBAPIError as error:
            raise StoreError(f"{self.url!r} cannot be opened: {error.orig}") from error

    @property
    def sqlite(self) -> bool:
        """Whether this is SQLite; otherwise it is PostgreSQL."""
        return self.url.get_backend_name() == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that only reads."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that is committed at the end, or rolled back by an exception."""
        with Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    def check_writable(self) -> None:
        """StoreError if a transaction that writes cannot begin: a read-only file, or a lock that stays."""
        try:
            with self.write() as session:
                session.execute(text("UPDATE alembic_version SET version_num = version_num"))
        except DBAPIError as error:
            raise StoreError(f"{self.url!r} cannot be written: {error.orig}") from error

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
        current = self.revision()
        if current == HEAD:
            return
        if current is not None and current > HEAD:
            raise StoreError(
                f"{self.url!r} has schema {current}, this version knows up to {HEAD}; install a newer metanas"
            )
        from leaderboard.store import migrate  # Alembic is not needed once the schema is there

        migrate.upgrade(self.engine)


def parse(url: str) -> URL:
    """The URL of a database, given as a URL or the path of an SQLite file. StoreError otherwise."""
    if "://" not in url:
        return URL.create("sqlite", database=url)
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:  # a port that is no number is a ValueError
        raise StoreError(
            f"--db wants a file or a URL like postgresql://user@host/name, got {url!r}"
        ) from error
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite":
        raise StoreError(f"a board lies in SQLite or PostgreSQL, not in {parsed.get_backend_name()}")
    return parsed


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
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_MS}"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Any) -> None:
    writes = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
