"""These tests need a CUDA card: `pytest -m gpu`."""

import pytest
import torch


@pytest.fixture(autouse=True)
def card() -> None:
    """Skips, loudly, where there is none."""
    if not torch.cuda.is_available():
        pytest.skip("NOT RUN: torch sees no CUDA card")
