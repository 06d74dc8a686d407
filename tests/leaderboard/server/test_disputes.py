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
    assert say(server, identity, "dispute", "reviewer").status_code == 200
    found = standing.one(server.context.store, identity)
    assert found is not None and found.state == "published"
    assert found.marks == (("disputed", "rita: the code does something else"),)
    assert on_board(server) == [identity]
    assert say(server, identity, "decision", "owner", verdict="publish").status_code == 403
    assert say(server, identity, "decision", "reviewer", verdict="publish").status_code == 200
    found = standing.one(server.context.store, identity)
    assert found is not None and found.flags == ()
    assert [event.reason.partition(":")[0] for event in found.events[-2:]] == [
        "disputed by rita",
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
        both = [submit(server, tmp_path / name, method=name, seed=i) for i, name in enumerate("ab")]
        assert [say(server, identity, "dispute", "other").status_code for identity in both] == [200, 429]


def test_one_account_cannot_mark_the_board(server: Served, tmp_path: Path) -> None:
    first, second, third = (
        submit(server, tmp_path / name, method=name, seed=i) for i, name in enumerate("abc")
    )
    assert say(server, first, "dispute", "other").status_code == 200
    again = say(server, first, "dispute", "other")
    assert again.status_code == 409 and "you disputed it already" in again.json()["detail"]
    assert say(server, second, "dispute", "other").status_code == 200
    many = say(server, third, "dispute", "other")
    assert many.status_code == 409 and "2 disputes that no reviewer has decided on" in many.json()["detail"]
    assert say(server, second, "decision", "reviewer", verdict="reject").status_code == 200
    assert say(server, third, "dispute", "other").status_code == 200, "one was decided on"
    found = standing.one(server.context.store, first)
    assert found is not None and found.marks == () and found.flags[0][0] == "dispute"
    assert "disputed by bob" in found.events[-1].reason, "but reviewers and readers see it"


def test_two_accounts_with_results_mark_a_result(server: Served, tmp_path: Path) -> None:
    identity = submit(server, tmp_path / "a")
    for role, name in (("other", "bobs"), ("owner", "adas")):
        server.post(bundles.zipped(tmp_path / name, name, seed=len(name), skill=0.5), role)
        server.work()
    say(server, identity, "dispute", "other")
    assert not standing.one(server.context.store, identity).marks  # type: ignore[union-attr]
    say(server, identity, "dispute", "owner")
    found = standing.one(server.context.store, identity)
    assert found is not None and [kind for kind, _ in found.marks] == ["disputed", "disputed"]
