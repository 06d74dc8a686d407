"""The process of the commands ends with the tests."""

from collections.abc import Iterator

import pytest

from tests.cli.program import COMMANDS


@pytest.fixture(scope="session", autouse=True)
def ended() -> Iterator[None]:
    yield
    COMMANDS.close()
