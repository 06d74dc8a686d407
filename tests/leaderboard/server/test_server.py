"""Submitting to a server: what is accepted is kept, counted exactly and scored; what is not is refused."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from leaderboard.accounts import receipts
from leaderboard.bundle import reading
from leaderboard.scoring.document import of_scored
from leaderboard.scoring.validate import validate
from leaderboard.store import audit
from leaderboard.store.models import Job, Submission
from tests.leaderboard import bundles, hostile
from tests.leaderboard.serving import LONG, ROLES, SQLITE, Served, served

POSTS = 200 if LONG else 60


def test_a_bundle_is_accepted_scored_and_shown_with_the_bytes_of_the_program(
    server: Served, tmp_path: Path
) -> None:
    content = bundles.zipped(tmp_path / "a")
    answer = server.post(content)
    assert answer.status_code == 202
    identity = answer.json()["id"]
    with server.context.store.database.read() as session:
        assert session.query(Job).count() == session.query(Submission).count() == 1
    assert server.get(f"submissions/{identity}").json()["jobs_ahead"] == 0
    assert server.get(f"submissions/{identity}/scores").status_code == 404
    server.work()
    events = server.get(f"submissions/{identity}/events", "nobody").json()["events"]
    assert [event["state"] for event in events] == ["received", "scoring", "published"]
    scores = server.get(f"submissions/{identity}/scores", "nobody").content
    assert scores == of_scored(validate(reading.read_zip(content)))
    (row,) = server.get("leaderboard", "nobody").json()["submissions"]
    assert row["owner"] == "ada"


def test_the_receipt_is_genuine_and_a_changed_one_is_not(server: Served, tmp_path: Path) -> None:
    receipt = server.post(bundles.zipped(tmp_path / "a")).json()["receipt"]
    key = server.get("audit/head", "nobody").json()["server_key"]
    found = receipts.verify(json.dumps(receipt), key)
    with server.context.store.database.read() as session:
        assert audit.verify(session) == len(ROLES) + 1, "a token for each role, and this"
        link = audit.head(session)
        assert link is not None and link.hash == found["audit_hash"]
    for field in receipt:
        changed = {**receipt, field: "0" * len(str(receipt[field]))}
        with pytest.raises(receipts.ReceiptError, match="changed or forged|not a receipt"):
            receipts.verify(json.dumps(changed), key)
    with pytest.raises(receipts.ReceiptError, match="not by the key you trust"):
        receipts.verify(json.dumps(receipt), "00" * 32)


def test_the_same_request_again_is_one_submission_with_one_receipt_and_costs_no_quota(
    url: str, tmp_path: Path
) -> None:
    quotas = {"submission": ((1, timedelta(days=1)),)}
    content = bundles.zipped(tmp_path / "a")
    with served(url, tmp_path / "data", quotas=quotas) as server:
        first, again, third = (server.post(content, key="the-same-key") for _ in range(3))
        assert [answer.json()["new"] for answer in (first, again, third)] == [True, False, False]
        assert first.json()["receipt"] == again.json()["receipt"]


def test_a_key_or_a_bundle_that_was_used_before_is_refused(server: Served, tmp_path: Path) -> None:
    content = bundles.zipped(tmp_path / "a")
    assert server.post(content, key="the-same-key").status_code == 202
    other = bundles.zipped(tmp_path / "b", seed=1)
    assert server.post(other, key="the-same-key").status_code == 409
    assert "submitted before" in server.post(content, key="another-key").json()["detail"]
    stranger = server.post(other, role="other")
    assert stranger.status_code == 403
    assert "the method name 'mine' belongs to someone else" in stranger.json()["detail"]


def test_of_many_posts_at_once_exactly_as_many_pass_as_the_quota_has(url: str, tmp_path: Path) -> None:
    quotas = {"submission": ((7, timedelta(days=1)),)}
    contents = [bundles.numbered(bundles.good(), i) for i in range(POSTS)]
    with served(url, tmp_path / "data", quotas=quotas) as server, ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(server.post, contents))
        codes = [answer.status_code for answer in answers]
        print(f"{len(codes)} posts at once, quota 7: {codes.count(202)} accepted, {codes.count(429)} refused")
        assert {code: codes.count(code) for code in set(codes)} == {202: 7, 429: POSTS - 7}
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert 86_000 < int(refused.headers["Retry-After"]) <= 86_400
        assert "at most 7 submissions in 1 day; failed ones count" in refused.json()["detail"]
        assert server.get("quota").json()["submission"][0]["left"] == 0
        with server.context.store.database.read() as session:
            assert session.query(Submission).count() == 7


def test_failures_count_too(url: str, tmp_path: Path) -> None:
    quotas = {"submission": ((2, timedelta(days=1)),)}
    with served(url, tmp_path / "data", quotas=quotas) as server:
        assert [server.post(b"nonsense").status_code for _ in range(3)] == [422, 422, 429]


def test_hostile_bundles_never_break_the_server_and_leave_only_blobs(server: Served, tmp_path: Path) -> None:
    before = {path for path in tmp_path.rglob("*") if "blobs" not in path.parts}
    waiting = {}
    for case in hostile.cases():
        answer = server.post(case.content)
        assert answer.status_code == (202 if case.accepted else 422), (case.name, answer.text[:300])
        if case.accepted:
            waiting[answer.json()["id"]] = case
        else:
            assert answer.headers["content-type"] == "application/problem+json"
            assert case.says in answer.json()["detail"]
    server.work()
    for identity, case in waiting.items():
        event = server.get(f"submissions/{identity}/events").json()["events"][-1]
        assert (event["state"], case.says in event["reason"]) == ("rejected", True), (case.name, event)
    after = {path for path in tmp_path.rglob("*") if "blobs" not in path.parts}
    assert not after - before
    assert not Path("/tmp/evil").exists()


@SQLITE
def test_a_body_is_counted_as_it_comes_and_cut_off(url: str, tmp_path: Path) -> None:
    with served(url, tmp_path / "data", body_bytes=1000, small_body_bytes=100) as server:

        def endless() -> Iterator[bytes]:  # no Content-Length
            for _ in range(10_000):
                yield b"x" * 100

        headers = {
            **server.headers("owner"),
            "Idempotency-Key": "12345678",
            "Content-Type": "application/zip",
        }
        answer = server.client.post("/api/v1/submissions", content=endless(), headers=headers)
        assert answer.status_code == 413
        answer = server.post(b"x" * 1001)
        assert (answer.status_code, answer.json()["detail"]) == (413, "more than 1000 bytes")
        url = "/api/v1/submissions/00000000-0000-7000-8000-000000000000/withdraw"
        answer = server.client.post(url, json={"reason": "x" * 200}, headers=server.headers("owner"))
        assert answer.status_code == 413


@SQLITE
def test_a_client_that_goes_away_in_the_middle_is_no_mistake_of_ours(
    server: Served, caplog: pytest.LogCaptureFixture
) -> None:
    come = iter([{"type": "http.request", "body": b"PK", "more_body": True}, {"type": "http.disconnect"}])
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return next(come)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    path = "/api/v1/submissions"
    headers = {
        **server.headers("owner"),
        "Idempotency-Key": "12345678",
        "Content-Type": "application/zip",
    }
    scope = {"type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": path}
    scope |= {"raw_path": path.encode(), "query_string": b"", "root_path": "", "client": ("127.0.0.1", 1)}
    scope["headers"] = [(k.lower().encode(), v.encode()) for k, v in headers.items()]  # type: ignore[assignment]
    asyncio.run(server.app(scope, receive, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 400 and not caplog.records


@SQLITE
def test_writes_have_a_rate(url: str, tmp_path: Path) -> None:
    with served(url, tmp_path / "data", writes_per_minute=3) as server:
        codes = [server.post(b"x").status_code for _ in range(4)]
        assert codes == [422, 422, 422, 429]
        assert server.get("quota").status_code == 200
