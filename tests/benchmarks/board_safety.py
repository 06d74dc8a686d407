"""What a board withstands, counted: `python -m tests.benchmarks.board_safety`, a few minutes.

20,000 fuzzed bundles and the hand-made hostile ones, 200 posts at once against a quota, every endpoint as
every role: the tests of them, with what they counted.
"""

import os
import sys

import pytest

from tests.benchmarks.board_machine import machine

TESTS = (
    "bundle/test_fuzz.py",
    "bundle/test_hostile.py",
    "server/test_roles.py::test_every_endpoint_answers_every_role_as_the_table_says",
    "server/test_server.py::test_of_many_posts_at_once_exactly_as_many_pass_as_the_quota_has",
    "server/test_server.py::test_hostile_bundles_never_break_the_server_and_leave_only_blobs",
)

if __name__ == "__main__":
    print(machine(), flush=True)
    os.environ["METANAS_LONG"] = "1"
    sys.exit(
        pytest.main(
            ["-v", "-s", "--no-header", "--timeout", "0", *(f"tests/leaderboard/{name}" for name in TESTS)]
        )
    )
