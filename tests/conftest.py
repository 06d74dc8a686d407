"""Shared fixtures: a cache of its own, the shared sample data, tiny networks."""

import os
from pathlib import Path

import pytest
import torch

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Stores are built once per test run, unless METANAS_CACHE says where some lie already."""
    os.environ.setdefault("METANAS_CACHE", str(tmp_path_factory.mktemp("cache")))
    torch.set_num_threads(1)


@pytest.fixture
def shared() -> Path:
    """The folder of sample data sets beside the repository; the test skips without it."""
    if not SHARED.is_dir():
        message = f"NOT RUN: the sample data sets are not at {SHARED}"
        if os.environ.get("METANAS_REQUIRE_SHARED"):
            pytest.fail(message)
        pytest.skip(message)
    return SHARED
