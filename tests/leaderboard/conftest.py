"""Every test of the board that takes `url` or `store` runs on SQLite and on PostgreSQL.

What does not depend on the database is marked with `serving.SQLITE`, which leaves PostgreSQL out.
"""

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from leaderboard.store.database import Database
from leaderboard.store.store import Store
from tests.leaderboard import postgres
from tests.leaderboard.serving import SCORER, Served, served

_numbers = itertools.count()


@pytest.fixture(scope="session", autouse=True)
def scorer() -> Iterator[None]:
    """End the fork server that `serving.served` shares."""
    yield
    SCORER.end()


@pytest.fixture(scope="session")
def postgres_host() -> Iterator[str]:
    """One server for the whole run. Without PostgreSQL: a loud skip, or a failure where CI demands it."""
    bin = postgres.programs()
    if bin is None:
        message = "NOT RUN on PostgreSQL: no initdb; apt-get install postgresql"
        if os.environ.get("METANAS_REQUIRE_POSTGRES"):
            pytest.fail(message)
        pytest.skip(message)
    with postgres.server(bin, durable=False) as host:
        yield host


@pytest.fixture(scope="session")
def sqlite_schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the tables and no rows."""
    path = tmp_path_factory.mktemp("schema") / "board.db"
    Database(f"sqlite:///{path}").close()
    return path


@pytest.fixture(scope="session")
def postgres_schema(postgres_host: str) -> Iterator[str]:
    """The name of a PostgreSQL database with the tables and no rows."""
    number = next(_numbers)
    with postgres.database(postgres_host, number) as url:
        Database(url).close()
        yield f"board{number}"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    with postgres.database(request.getfixturevalue("postgres_host"), next(_numbers)) as found:
        yield found


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with the tables and no rows: a copy of one, since making them takes longer."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_schema"), tmp_path / "board.db")
        yield f"sqlite:///{tmp_path}/board.db"
        return
    host, template = map(request.getfixturevalue, ("postgres_host", "postgres_schema"))
    with postgres.database(host, next(_numbers), template) as found:
        yield found


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[Store]:
    """A board without submissions."""
    opened = Store(url, tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def server(url: str, tmp_path: Path) -> Iterator[Served]:
    """A server of a board without submissions."""
    with served(url, tmp_path / "data") as found:
        yield found
