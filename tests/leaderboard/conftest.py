"""Every test of the board that takes `url` or `store` runs on SQLite and on PostgreSQL."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from leaderboard.store.store import Store
from tests.leaderboard import postgres

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres_host() -> Iterator[str]:
    """One server for the whole run. Without PostgreSQL: a loud skip, or a failure where CI demands it."""
    bin = postgres.programs()
    if bin is None:
        message = "NOT RUN on PostgreSQL: no initdb; apt-get install postgresql"
        if os.environ.get("METANAS_REQUIRE_POSTGRES"):
            pytest.fail(message)
        pytest.skip(message)
    with postgres.server(bin) as host:
        yield host


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/board.db"
        return
    with postgres.database(request.getfixturevalue("postgres_host"), next(_numbers)) as found:
        yield found


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[Store]:
    """An empty board."""
    opened = Store(url, tmp_path / "data")
    yield opened
    opened.close()
