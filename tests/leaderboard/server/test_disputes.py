"""Disputes: anyone with a token may raise one, and a reviewer settles it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from leaderboard.ranking import standing
from tests.leaderboard import bundles
from tests.leaderboard.serving import MANY, SQLITE, Served, served


def submit(server: Served, folder: Path, **options: Any) -> str:
    identity = server.post(bundles.zipped(folder, **options)).json()["id"]
    server.work()
    return str(identity)


def say(server: Served, identity: str, verb: str, role: str, **body: str) -> Any:
    url = f"/api/v1/submissions/{identity}/{verb}"
    return server.client.post(
        url, json={"reason": "the code does something else", **body}, headers=server.headers(role)
    )


def on_board(server: Served) -> list[str]:
    return [row["id"] for row in server.get("leaderboard", "nobody").json()["submissions"]]


def test_a_disputed_result_stays_marked_until_a_reviewer_settles_it(server: Served, tmp_path: Path) -> None:
    identity = submit(server, tmp_path / "a")
    assert say(server, identity, "dispute", "other").status_code == 200
    found = standing.one(server.context.store, identity)
    assert found is not None and found.state == "published"
    assert found.flags == (("disputed", "bob: the code does something else"),)
    assert on_board(server) == [identity]
    assert say(server, identity, "decision", "owner", verdict="publish").status_code == 403
    assert say(server, identity, "decision", "reviewer", verdict="publish").status_code == 200
    found = standing.one(server.context.store, identity)
    assert found is not None and found.flags == ()
    assert [event.reason.partition(":")[0] for event in found.events[-2:]] == [
        "disputed by bob",
        "dispute settled",
    ]
    again = say(server, identity, "decision", "reviewer", verdict="publish")
    assert again.status_code == 409 and "nothing about it is in doubt" in again.json()["detail"]


def test_a_dispute_can_end_with_a_rejection(server: Served, tmp_path: Path) -> None:
    identity = submit(server, tmp_path / "a")
    say(server, identity, "dispute", "other")
    assert say(server, identity, "decision", "admin", verdict="reject").json()["state"] == "rejected"
    assert on_board(server) == []
    late = say(server, identity, "dispute", "other")
    assert late.status_code == 404, "what is not public is not there for others"


@SQLITE
def test_disputes_have_a_quota(url: str, tmp_path: Path) -> None:
    quotas = {**MANY, "dispute": ((1, timedelta(days=1)),)}
    with served(url, tmp_path / "data", quotas=quotas) as server:
        identity = submit(server, tmp_path / "a")
        assert [say(server, identity, "dispute", "other").status_code for _ in range(2)] == [200, 429]
