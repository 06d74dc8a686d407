"""What an administrator does with accounts: suspend one, give a method's name to another, erase a person.

Each is a link of the audit chain. Erasing also changes older links, which hold the account's name: the
record of each is replaced by one with another name, its hash stays, and the link of the erasure holds the
SHA-256 of the new records. So the chain is still checked link by link (`store/audit.py`), heads and
receipts still fit, and whoever kept an old record can still show that it stood there.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from leaderboard.admin.orphans import delete, of_these_alone
from leaderboard.bundle.names import PERSONAL, canonical
from leaderboard.store import audit
from leaderboard.store.models import Account, Audit, Flag, Method, Submission, Token, now
from leaderboard.store.store import Store, enter
from leaderboard.store.visibility import is_public
from metanas.base.errors import InvalidValue

GONE = {"authors": [{"name": "(erased)"}], "contact": "erased@invalid.example"}
ACTOR = "administrator"


def find(session: Session, name: str) -> Account:
    """The account of this name. InvalidValue if there is none."""
    account = session.scalar(select(Account).where(Account.name == name))
    if account is None:
        raise InvalidValue(f"no account named {name!r:.80}; see `metanas leaderboard account list`")
    return account


def rows(session: Session) -> list[dict[str, Any]]:
    """Every account with its submissions, valid tokens and state."""
    submissions = select(func.count()).where(Submission.account_id == Account.id).scalar_subquery()
    valid = (Token.account_id == Account.id) & Token.revoked.is_(None) & (Token.expires > now())
    tokens = select(func.count()).where(valid).scalar_subquery()
    found = session.execute(select(Account, submissions, tokens).order_by(Account.id))
    return [
        {
            "account": account.name,
            "created": account.created.date().isoformat(),
            "submissions": count,
            "tokens": valid_ones,
            "state": "active" if account.suspended is None else "suspended",
        }
        for account, count, valid_ones in found
    ]


def suspend(session: Session, name: str, reason: str) -> None:
    """Refuse the account's tokens from now on; what it published stays. InvalidValue if it is suspended."""
    account = find(session, name)
    if account.suspended is not None:
        raise InvalidValue(f"{name} is suspended already")
    account.suspended = now()
    audit.append(session, ACTOR, "suspend", name, {"reason": reason})


def resume(session: Session, name: str, reason: str) -> None:
    """Accept its tokens again. InvalidValue if it is not suspended."""
    account = find(session, name)
    if account.suspended is None:
        raise InvalidValue(f"{name} is not suspended")
    account.suspended = None
    audit.append(session, ACTOR, "resume", name, {"reason": reason})


def transfer(session: Session, method: str, to: str, reason: str) -> None:
    """Let the account `to` submit under a method's name; earlier submissions stay whose they are."""
    row = session.get(Method, method)
    if row is None:
        raise InvalidValue(f"no method named {method!r:.80}")
    account = find(session, to)
    if row.account_id == account.id:
        raise InvalidValue(f"{method} belongs to {to} already")
    row.account_id = account.id
    audit.append(session, ACTOR, "transfer", method, {"account": account.id, "reason": reason})


def erase(store: Store, name: str) -> str:
    """Replace all that says who an account is; returns the name that it has instead.

    Its tokens are revoked. Of its submissions, entry.json loses authors and contact and README.md its
    content; scores and predictions stay. The files themselves are deleted, from backups only as those are.
    InvalidValue if there is no such account.
    """
    with store.database.write() as session:
        account = find(session, name)
        other = f"erased-{account.id}"
        ids = session.scalars(select(Submission.id).where(Submission.account_id == account.id)).all()
        files = of_these_alone(session, ids, PERSONAL)
        for row in session.scalars(select(Submission).where(Submission.id.in_(ids))):
            row.entry = None if row.entry is None else json.dumps({**json.loads(row.entry), **GONE})
        disputed = _disputed(session, account, name, other)
        for row in session.scalars(select(Submission).where(Submission.id.in_({*ids, *disputed}))):
            for event in row.events:
                event.reason = _without(event.reason, name, other)
            if is_public(row):  # a running server makes its pages anew
                enter(session, row, row.state, "personal data erased")
        for token in session.scalars(select(Token).where(Token.account_id == account.id)):
            token.label = ""
            if token.revoked is None:
                token.revoked = now()
                audit.append(session, ACTOR, "revoke", name, {"token": token.id})
        account.name, account.suspended = other, account.suspended or now()
        changed = _rename(session, name, other)
        detail = {"submissions": list(ids), "files": sorted(files), "records": changed}
        audit.append(session, ACTOR, "erase", other, detail)
    delete(store, files, lambda session: of_these_alone(session, ids, PERSONAL))
    return other


def _disputed(session: Session, account: Account, name: str, other: str) -> set[str]:
    """Replace the name in the account's disputes; the submissions of others that say who disputed them."""
    flags = session.scalars(select(Flag).where(Flag.account_id == account.id)).all()
    for flag in flags:
        flag.detail = _without(flag.detail, name, other)
    return {flag.submission_id for flag in flags}


def _rename(session: Session, name: str, other: str) -> dict[str, str]:
    """Replace a name in the records of the chain; number of each changed link -> its new SHA-256."""
    found: dict[str, str] = {}
    with _open(session):
        mentions = Audit.record.contains(json.dumps(name)[1:-1], autoescape=True)
        for link in session.scalars(select(Audit).where(mentions).order_by(Audit.seq)).all():
            record = json.loads(link.record)
            renamed = _replaced(record, name, other)
            if renamed != record:
                content = canonical(renamed)
                link.record = content.decode()
                found[str(link.seq)] = audit.sha256(content)
        session.flush()
    return found


def _replaced(record: dict[str, Any], name: str, other: str) -> dict[str, Any]:
    """A record with the name replaced where it stands for the account, and as a word of a text."""
    detail = {
        key: _without(value, name, other) if isinstance(value, str) else value
        for key, value in record["detail"].items()
    }
    people = {key: other if record[key] == name else record[key] for key in ("actor", "subject")}
    return {**record, **people, "detail": detail}


def _without(words: str, name: str, other: str) -> str:
    """A text with the name replaced where it is a word of its own."""
    return re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", other, words)


@contextmanager
def _open(session: Session) -> Iterator[None]:
    """Take the triggers off the chain, and put them on again within the same transaction."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("ALTER TABLE audit DISABLE TRIGGER audit_append_only"))
        yield
        session.execute(text("ALTER TABLE audit ENABLE TRIGGER audit_append_only"))
        return
    query = text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit'")
    triggers = session.execute(query).all()
    for trigger, _ in triggers:
        session.execute(text(f"DROP TRIGGER {trigger}"))
    yield
    for _, sql in triggers:
        session.execute(text(sql))
