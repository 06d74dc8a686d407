"""What someone with the database can change, `verify` names; what it cannot see alone, a kept head shows."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from leaderboard.accounts.receipts import ReceiptError, ServerKey
from leaderboard.accounts.receipts import verify as verify_receipt
from leaderboard.admin.heads import signed_head
from leaderboard.admin.verify import VerifyError, verify
from leaderboard.store import audit
from leaderboard.store.models import Account, Audit, Method, Score, Submission, Token
from leaderboard.store.store import Store
from tests.leaderboard import bundles
from tests.leaderboard.serving import served

Change = Callable[[Session], None]


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with board.db and data: two published submissions and a withdrawn one."""
    folder = tmp_path_factory.mktemp("board")
    with served(f"sqlite:///{folder}/board.db", folder / "data") as server:
        ids = [
            server.post(bundles.zipped(folder / name, name, seed=i), role).json()["id"]
            for i, (name, role) in enumerate((("one", "owner"), ("two", "other"), ("three", "owner")))
        ]
        server.work()
        url = f"/api/v1/submissions/{ids[2]}/withdraw"
        server.client.post(url, json={"reason": "x"}, headers=server.headers("owner"))
    yield folder


@pytest.fixture
def copy(board: Path, tmp_path: Path) -> Iterator[Store]:
    shutil.copy(board / "board.db", tmp_path / "board.db")
    with closing(Store(tmp_path / "board.db", board / "data")) as store:
        yield store


def first(session: Session) -> Submission:
    return session.query(Submission).order_by(Submission.id).first()  # type: ignore[return-value]


def zeroed(session: Session) -> None:
    score = session.query(Score).filter_by(submission_id=first(session).id).first()
    assert score is not None
    score.right = bytes(len(score.right))


def deleted(session: Session) -> None:
    session.execute(text("PRAGMA defer_foreign_keys = ON"))
    for table, column in (("job", "submission_id"), ("idempotency", "submission_id")):
        session.execute(text(f"DELETE FROM {table} WHERE {column} = :id"), {"id": first(session).id})
    session.delete(first(session))


def inserted(session: Session) -> None:
    account = session.query(Account).filter_by(name="bob").one()
    token = session.query(Token).first()
    assert token is not None
    session.add(Token(account_id=account.id, label="", digest="x", scopes="admin", expires=token.expires))


def other_owner(session: Session) -> None:
    first(session).account_id = session.query(Account).filter_by(name="bob").one().id


def other_method_owner(session: Session) -> None:
    session.get_one(Method, "one").account_id = session.query(Account).filter_by(name="bob").one().id


def unrevoked(session: Session) -> None:
    session.query(Token).first().revoked = first(session).accepted  # type: ignore[union-attr]


def other_receipt(session: Session) -> None:
    rows = session.query(Submission).order_by(Submission.id).all()
    rows[0].receipt = rows[1].receipt


def republished(session: Session) -> None:
    session.query(Submission).filter_by(method="three").one().state = "published"


def other_document(session: Session) -> None:
    first(session).document = first(session).document.replace('"method"', ' "method"')


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (zeroed, "digits/5w1s has other scores than its predictions give"),
        (lambda s: setattr(first(s), "tier", "reproduced"), "its tier is reproduced, by the audit chain"),
        (lambda s: setattr(first(s), "tier", "challenged"), "its tier is challenged, by the audit chain"),
        (other_owner, "it belongs to bob; by the audit chain ada submitted it"),
        (other_method_owner, "the method one belongs to bob; by the audit chain to ada"),
        (deleted, "accepted in link 6 of the audit chain, and not there"),
        (inserted, r"token 6 of bob \(admin\) was not issued: no link says so"),
        (unrevoked, "token 1 is revoked, unlike in the audit chain"),
        (other_receipt, "its receipt is about"),
        (republished, "it is published, by the audit chain withdrawn"),
        (other_document, "the database has another submission.json than its bundle"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_each_change_is_named(copy: Store, change: Change, words: str) -> None:
    with copy.database.write() as session:
        change(session)
    with pytest.raises(VerifyError, match=words):
        verify(copy)


def test_a_board_that_nobody_touched_is_as_it_was_and_all_differences_are_named_at_once(copy: Store) -> None:
    found = verify(copy, heads=[json.dumps(signed_head(copy)).encode()])
    assert (found.links, found.rescored, found.heads) == (12, 3, 1)
    with copy.database.write() as session:
        for change in (zeroed, inserted, republished):
            change(session)
    with pytest.raises(VerifyError, match="^3 differences:\n"):
        verify(copy)


def rewritten(session: Session, upto: int) -> None:
    """The chain without its last links, the rest with another actor and hashes that fit."""
    for (name,) in session.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
        session.execute(text(f"DROP TRIGGER {name}"))
    previous = audit.START
    for link in session.query(Audit).order_by(Audit.seq).all():
        if link.seq > upto:
            session.delete(link)
            continue
        record = link.record.replace("administrator", "somebody")
        link.record, link.hash = record, audit._link_hash(previous, record.encode())
        previous = link.hash
        session.flush()


def test_a_rewritten_chain_contradicts_the_receipts_and_a_kept_head(copy: Store) -> None:
    kept = json.dumps(signed_head(copy)).encode()
    with copy.database.write() as session:
        rewritten(session, 12)
    with pytest.raises(VerifyError, match="its receipt names link 6 with another hash") as caught:
        verify(copy, heads=[kept])
    assert "link 12 is another one: the board signed" in str(caught.value)


def test_a_chain_that_was_cut_is_known_by_a_kept_head(copy: Store) -> None:
    kept = json.dumps(signed_head(copy)).encode()
    with copy.database.write() as session:
        for (name,) in session.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
            session.execute(text(f"DROP TRIGGER {name}"))
        session.execute(text("DELETE FROM audit WHERE seq = 12"))
    with pytest.raises(VerifyError, match="link 12 is missing: the board signed"):
        verify(copy, heads=[kept])


def test_a_forged_head_and_another_key_are_named(copy: Store) -> None:
    forger = ServerKey(b"x" * 32)
    forged = json.dumps(forger.sign_head(12, "0" * 64, "")).encode()
    with pytest.raises(VerifyError, match=f"a signed head: signed by {forger.public}, not by the key you"):
        verify(copy, heads=[forged])
    with pytest.raises(VerifyError, match="the board signs with another key than"):
        verify(copy, key=forger.public)


def test_a_receipt_that_a_forger_signed_is_not_genuine(copy: Store) -> None:
    forger = ServerKey(b"x" * 32)
    with copy.database.read() as session:
        row = first(session)
        forged = forger.sign(row.id, row.digest, row.accepted, 6, "0" * 64)
        receipt = row.receipt or ""
    key = signed_head(copy)["server_key"]
    assert verify_receipt(receipt, key)["submission_id"] == row.id
    with pytest.raises(ReceiptError, match="not by the key you trust"):
        verify_receipt(forged, key)
