"""The log: JSON lines, an id for each request, nothing secret."""

import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest

from leaderboard.server import journal
from tests.leaderboard.serving import SQLITE, Served


@pytest.fixture
def lines() -> Iterator[Callable[[], list[str]]]:
    """What is logged until the end of the test, as `install` has it."""
    root, level = logging.getLogger(), journal.access.level
    kept = list(root.handlers), root.level
    text = io.StringIO()
    journal.install(requests=True, to=text)
    yield lambda: text.getvalue().splitlines()
    root.handlers[:], root.level = kept
    journal.access.setLevel(level)


@SQLITE
def test_every_request_is_a_line_with_the_id_that_its_answer_has(
    server: Served, lines: Callable[[], list[str]]
) -> None:
    secret = server.secrets["owner"]
    given = {"x-request-id": "from-the-proxy-1", "Authorization": f"Bearer {secret}"}
    assert (
        server.client.get("/api/v1/quota?x=secret", headers=given).headers["x-request-id"]
        == "from-the-proxy-1"
    )
    own = server.client.get("/healthz", headers={"x-request-id": "no good\n"}).headers["x-request-id"]
    assert server.client.get("/nothing").status_code == 404
    found = [json.loads(line) for line in lines()]
    assert [(line["path"], line["status"]) for line in found] == [
        ("/api/v1/quota", 200),
        ("/healthz", 200),
        ("/nothing", 404),
    ]
    assert [line["request"] for line in found[:2]] == ["from-the-proxy-1", own] and len(own) == 16
    assert all(line["milliseconds"] >= 0 and line["bytes"] > 0 and line["time"] for line in found)
    assert not any(secret in line or "x=secret" in line for line in lines())


def test_an_error_is_one_line_with_its_traceback(lines: Callable[[], list[str]]) -> None:
    try:
        raise ValueError("wrong")
    except ValueError:
        logging.getLogger("leaderboard.web.live").exception("the pages could not be made anew")
    (line,) = lines()
    assert json.loads(line)["level"] == "error" and "ValueError: wrong" in json.loads(line)["error"]
