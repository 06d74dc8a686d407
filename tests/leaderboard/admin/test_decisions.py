"""What an administrator decides on the command line: submissions, accounts, a person's data."""

import json
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from leaderboard.accounts.quota import DEFAULT, parse
from leaderboard.admin import accounts
from leaderboard.admin.heads import signed_head
from leaderboard.admin.orphans import clean
from leaderboard.admin.retention import expire
from leaderboard.admin.verify import VerifyError, verify
from leaderboard.bundle.names import Members
from leaderboard.scoring import decisions
from leaderboard.store import audit
from leaderboard.store.database import Database
from leaderboard.store.models import Audit, Challenge, Event, Flag, Submission, now
from leaderboard.store.store import Store, enter
from metanas.base.errors import InvalidValue
from metanas.cli import app
from tests.leaderboard import bundles
from tests.leaderboard.serving import SQLITE, Served

Metanas = Callable[..., tuple[int, str]]


@pytest.fixture
def metanas(server: Served, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Metanas:
    """`metanas leaderboard ...` on the board of `server`: exit code and output."""
    settings = server.context.settings

    def run(*words: str) -> tuple[int, str]:
        where = ("--db", settings.db, "--data", str(settings.data))
        monkeypatch.setattr(sys, "argv", ["metanas", "leaderboard", *words, *where])
        with pytest.raises(SystemExit) as ended:
            app.main()
        shown = capfd.readouterr()
        return int(ended.value.code or 0), shown.out + shown.err

    return run


def flagged(server: Served, folder: Path) -> str:
    """A submission that waits for a reviewer."""
    identity = str(server.post(bundles.zipped(folder / "a")).json()["id"])
    server.work()
    with server.context.store.database.write() as session:
        session.add(Flag(submission_id=identity, kind="copy", detail="like another"))
        enter(session, session.get_one(Submission, identity), "flagged", "like another")
    return identity


@SQLITE
def test_what_waits_is_listed_decided_and_in_the_log(
    server: Served, tmp_path: Path, metanas: Metanas
) -> None:
    identity = flagged(server, tmp_path)
    code, text = metanas("review", "--json")
    (row,) = json.loads(text)
    assert (code, row["id"], row["state"], row["owner"]) == (0, identity, "flagged", "ada")
    assert row["why"] == ["copy: like another"]
    assert metanas("rescore", identity)[0] == 3, "only what failed"
    assert metanas("decide", identity, "publish", "--reason", "checked by hand") == (
        0,
        "mine: published, recomputed\n",
    )
    assert json.loads(metanas("review", "--json")[1]) == []
    code, text = metanas("decide", identity, "publish", "--reason", "again")
    assert code == 3 and "nothing about it is in doubt" in text and "Traceback" not in text
    (link,) = json.loads(metanas("log", "--about", identity, "--action", "publish", "--json")[1])
    assert (link["actor"], link["detail"]) == ("administrator", {"reason": "checked by hand"})
    assert metanas("decide", "nobody", "publish", "--reason", "x")[0] == 2


@SQLITE
def test_a_suspended_account_is_refused_until_it_is_resumed(server: Served, metanas: Metanas) -> None:
    assert server.get("quota").status_code == 200
    assert metanas("account", "suspend", "ada", "--reason", "floods")[0] == 0
    answer = server.get("quota")
    assert answer.status_code == 403 and "suspended" in answer.json()["detail"]
    assert server.get("quota", "other").status_code == 200
    assert metanas("account", "suspend", "ada", "--reason", "again")[0] == 2
    rows = {row["account"]: row["state"] for row in json.loads(metanas("account", "list", "--json")[1])}
    assert rows["ada"] == "suspended" and rows["bob"] == "active"
    verify(server.context.store)
    assert metanas("account", "resume", "ada", "--reason", "mended")[0] == 0
    assert server.get("quota").status_code == 200


@SQLITE
def test_a_name_that_was_transferred_is_the_others(server: Served, tmp_path: Path, metanas: Metanas) -> None:
    server.post(bundles.zipped(tmp_path / "a"))
    second = bundles.zipped(tmp_path / "b", seed=1)
    assert server.post(second, "other").status_code == 403
    assert metanas("account", "transfer", "mine", "bob", "--reason", "ada left")[0] == 0
    assert server.post(second, "other").status_code == 202
    server.work()
    verify(server.context.store)
    assert metanas("account", "transfer", "mine", "bob", "--reason", "again")[0] == 2


def test_an_erased_person_is_nowhere_and_the_board_still_verifies(server: Served, tmp_path: Path) -> None:
    store = server.context.store
    identity = str(server.post(bundles.numbered(bundles.members(tmp_path / "a"), 1)).json()["id"])
    server.work()
    server.post(b"no zip", "owner")
    body = {"reason": "ada, this cannot be"}
    server.client.post(f"/api/v1/submissions/{identity}/dispute", json=body, headers=server.headers("owner"))
    head, before = (
        json.dumps(signed_head(store)).encode(),
        server.get(f"submissions/{identity}/scores").content,
    )
    receipt = server.get(f"submissions/{identity}").json()
    assert accounts.erase(store, "ada").startswith("erased-")
    with store.database.read() as session:
        row = session.get_one(Submission, identity)
        texts = [link.record for link in session.query(Audit)] + [
            event.reason for event in session.query(Event)
        ]
        texts += [row.entry or "", *(flag.detail for flag in session.query(Flag))]
        assert not [text for text in texts if re.search(r"\bada\b", text, re.IGNORECASE)]
    assert server.get("quota").status_code == 401, "its tokens are revoked"
    assert server.get(f"submissions/{identity}/scores", "nobody").content == before
    assert receipt["state"] == server.get(f"submissions/{identity}", "nobody").json()["state"] == "published"
    assert server.get(f"submissions/{identity}/files/README.md", "nobody").status_code == 404
    assert server.get(f"submissions/{identity}/files/predictions.parquet", "nobody").status_code == 200
    assert "1 signed heads" in str(verify(store, heads=[head]))
    with pytest.raises(InvalidValue, match="no account named 'ada'"):
        accounts.erase(store, "ada")


def test_what_another_account_sent_too_is_not_erased(server: Served, tmp_path: Path) -> None:
    """Files are kept once by their content, and two bundles may have the same README."""
    for role, method in (("owner", "mine"), ("other", "theirs")):
        files = bundles.members(tmp_path / method, method)
        found = server.post(bundles.numbered(files, "the same"), role)
        assert found.status_code == 202, found.text
    server.work()
    accounts.erase(server.context.store, "ada")
    theirs = found.json()["id"]
    assert server.get(f"submissions/{theirs}/files/README.md", "nobody").content == b"the same"
    verify(server.context.store)


@pytest.mark.parametrize("how", ["erase", "expire", "clean"])
def test_a_file_that_comes_again_while_it_is_deleted_stays(
    server: Served, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever submits stores files before the rows that refer to them; the deletion comes in between."""
    store = server.context.store
    for role, method in (("owner", "mine"), ("other", "theirs")):
        packed = bundles.numbered(bundles.members(tmp_path / method, method), "the same")
        if role == "owner":
            identity = server.post(packed, role).json()["id"]
            server.work()
    with store.database.write() as session:
        enter(session, session.get_one(Submission, identity), "rejected", "no")
        audit.append(session, "root", "reject", identity, {"reason": "no"})
        for event in session.scalars(select(Event)):
            event.at -= timedelta(days=31)
    deletions = {
        "erase": lambda: accounts.erase(store, "ada"),
        "expire": lambda: expire(store, 30, remove=True),
        "clean": lambda: clean(store, remove=True, age=-60.0),
    }
    deleted: list[int] = []

    def write(database: Database) -> Any:
        """The next transaction that writes, after the deletion."""
        if not deleted:
            deleted.append(1)
            deletions[how]()
        return begin(database)

    keep, begin = Store.keep, Database.write

    def kept(self: Store, members: Members) -> None:
        keep(self, members)
        monkeypatch.setattr(Database, "write", write)

    monkeypatch.setattr(Store, "keep", kept)
    theirs = server.post(packed, "other").json()["id"]
    monkeypatch.undo()
    assert deleted
    server.work()
    assert server.get(f"submissions/{theirs}/files/README.md", "nobody").content == b"the same"
    verify(store)
    with store.database.read() as session:
        readme = {f.name: f.sha256 for f in session.get_one(Submission, theirs).files}["README.md"]
    store.blobs.path(readme).unlink()
    with pytest.raises(VerifyError, match=f"{theirs}: README.md"):
        verify(store)


def test_a_record_that_was_erased_cannot_be_changed_again(server: Served, tmp_path: Path) -> None:
    store = server.context.store
    server.post(bundles.zipped(tmp_path / "a"))
    server.work()
    accounts.erase(store, "ada")
    with store.database.write() as session, accounts._open(session):
        link = session.query(Audit).filter(Audit.record.contains("erased-")).order_by(Audit.seq).first()
        assert link is not None
        link.record = link.record.replace("erased-", "erosed-")
        seq = link.seq
    with pytest.raises(VerifyError, match=f"link {seq} was changed"):
        verify(store)


def test_quotas_are_given_as_text() -> None:
    day = timedelta(days=1)
    assert parse(["submission=20/1", "submission=50/30"]) == {
        **DEFAULT,
        "submission": ((20, day), (50, 30 * day)),
    }
    for text in (
        "submission",
        "submission=1",
        "submission=1/0",
        "coffee=1/1",
        "submission=-1/1",
        "dispute=x/1",
    ):
        with pytest.raises(InvalidValue, match="--quota wants KIND=MOST/DAYS"):
            parse([text])


@SQLITE
def test_files_of_what_was_rejected_long_ago_go_and_what_is_on_record_stays(
    server: Served, tmp_path: Path, metanas: Metanas
) -> None:
    store = server.context.store
    identity = flagged(server, tmp_path)
    other = str(server.post(bundles.zipped(tmp_path / "b", "other", seed=1), "other").json()["id"])
    server.work()
    assert metanas("decide", identity, "reject", "--reason", "trained on test classes")[0] == 0
    before = set(store.blobs)
    code, text = metanas("clean", "--keep-days", "30", "--remove")
    assert code == 0 and "0 rejected submissions and 0 challenges older than 30 days: 0 files" in text
    with store.database.write() as session:
        for event in session.scalars(select(Event).where(Event.submission_id == identity)):
            event.at -= timedelta(days=31)
    code, text = metanas("clean", "--keep-days", "30")
    assert code == 0 and "1 rejected submissions" in text and "--remove deletes them" in text
    assert set(store.blobs) == before, "without --remove nothing goes"
    code, text = metanas("clean", "--keep-days", "30", "--remove")
    assert code == 0 and "removed" in text
    with store.database.read() as session:
        kept = {file.sha256 for file in session.get_one(Submission, other).files}
        gone = {file.sha256 for file in session.get_one(Submission, identity).files} - kept
    assert gone and set(store.blobs) == before - gone
    verify(store)
    assert server.get(f"submissions/{identity}").json()["state"] == "rejected"
    answer = server.get(f"submissions/{identity}/files/predictions.parquet")
    assert answer.status_code == 410 and "for a time only" in answer.json()["detail"]
    assert "0 files, 0 bytes" in metanas("clean", "--keep-days", "30", "--remove")[1], "nothing goes twice"


@SQLITE
def test_a_file_that_something_else_refers_to_outlives_what_expired(server: Served, tmp_path: Path) -> None:
    """Here a published bundle, and the answer to a challenge, have the bytes of what is past its time."""
    store = server.context.store
    rejected = flagged(server, tmp_path)
    published = str(server.post(bundles.zipped(tmp_path / "b", "other", seed=1), "other").json()["id"])
    server.work()
    with store.database.write() as session:
        decisions.decide(session, session.get_one(Submission, rejected), "reject", "no", actor="root")
        for event in session.scalars(select(Event).where(Event.submission_id == rejected)):
            event.at -= timedelta(days=31)
        shas = {f.name: f.sha256 for f in session.get_one(Submission, rejected).files}
        theirs = {f.name: f.sha256 for f in session.get_one(Submission, published).files}
        long_ago = now() - timedelta(days=60)
        for state, answered, episodes, predictions in (
            ("open", None, theirs["predictions.parquet"], None),
            ("answered", long_ago, None, shas["predictions.parquet"]),
        ):
            session.add(
                Challenge(
                    submission_id=published,
                    commitment="a" * 64,
                    tasks="[]",
                    state=state,
                    deadline=long_ago,
                    answered=answered,
                    episodes=episodes,
                    predictions=predictions,
                )
            )
    found = expire(store, 30, remove=True)
    assert found.submissions == (rejected,) and len(found.challenges) == 1
    assert {shas["predictions.parquet"], *theirs.values()} <= set(store.blobs)
    assert shas["entry.json"] not in set(store.blobs)
