"""A board with the committed results, opened once for all tests that only read it."""

from collections.abc import Iterator

import pytest

from leaderboard.repository.results import open_with
from leaderboard.store.store import Store


@pytest.fixture(scope="session")
def committed_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("committed") / "board.db")
    open_with(store)
    yield store
    store.close()
