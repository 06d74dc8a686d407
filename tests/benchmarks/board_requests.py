"""At least 5,000 requests made from the API's description: `python -m tests.benchmarks.board_requests`."""

import os
import sys

import pytest

from tests.benchmarks.board_machine import machine

EACH = 600  # per endpoint; those without parameters have only a few different requests

if __name__ == "__main__":
    print(machine(), flush=True)
    os.environ["METANAS_SCHEMATHESIS"] = str(EACH)
    sys.exit(pytest.main(["-q", "-s", "--timeout", "0", "tests/leaderboard/server/test_schemathesis.py"]))
