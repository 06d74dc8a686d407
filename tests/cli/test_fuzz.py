"""Random command lines end with a code and a line, never with a traceback; METANAS_LONG=1 tries 2,000."""

import os
from pathlib import Path

import pytest

from tests.benchmarks.fuzz_commands import broken

COUNT = 2_000 if os.environ.get("METANAS_LONG") else 40


@pytest.mark.timeout(1_800)
@pytest.mark.filterwarnings("ignore")  # what damaged files make libraries say
def test_random_command_lines_keep_the_promise_of_the_exit_codes(tmp_path: Path) -> None:
    (tmp_path / "world").mkdir()
    faults, codes = broken(tmp_path / "world", COUNT, seed=19)
    assert len(codes) > 2, "some work, some do not"
    assert not faults, "\n\n".join(f"metanas {words}\n{what}" for words, what in faults[:5])
