"""The audit log, a hash chain: link i has hash_i = SHA-256(hash_{i-1} + record_i), hashes in hexadecimal.

Anyone with an old hash (every receipt holds one) can show later whether the log was rewritten. Triggers in
the database refuse to change or delete a link.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from leaderboard.bundle.names import canonical
from leaderboard.store.models import Audit, now
from metanas.base.errors import MetanasError

START = "0" * 64  # hash before the first link
_LOCK = 0x6D6E6175  # any number that no other program locks in this database


class ChainBroken(MetanasError):
    """A link of the audit chain was changed or is missing."""

    exit_code = 3


def append(session: Session, actor: str, action: str, subject: str, detail: Mapping[str, Any]) -> Audit:
    """Add a link, in the caller's transaction.

    actor: the account's name; action: a verb such as "accepted"; subject: an id; detail: JSON values.
    """
    if session.get_bind().dialect.name == "postgresql":  # one writer at a time, until its commit
        session.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    last = head(session)
    seq, previous = (last.seq, last.hash) if last else (0, START)
    record = canonical(
        {
            "seq": seq + 1,
            "at": now().isoformat(),
            "actor": actor,
            "action": action,
            "subject": subject,
            "detail": detail,
        }
    )
    link = Audit(seq=seq + 1, record=record.decode(), hash=_link_hash(previous, record))
    session.add(link)
    session.flush()
    return link


def head(session: Session) -> Audit | None:
    """The newest link; None if there is none."""
    return session.scalar(select(Audit).order_by(Audit.seq.desc()).limit(1))


def head_of(session: Session) -> tuple[int, str, str]:
    """Number, hash and time of the newest link; 0, START and "" if there is none."""
    link = head(session)
    return (0, START, "") if link is None else (link.seq, link.hash, json.loads(link.record)["at"])


def verify(session: Session) -> int:
    """Recompute the whole chain; returns its number of links. ChainBroken names the first wrong link.

    A record that an erasure changed (`admin/accounts.py`) has the SHA-256 that a later link says.
    """
    erased = _erased(session)
    previous, expected = START, 1
    for link in session.scalars(select(Audit).order_by(Audit.seq)).yield_per(1000):
        record = link.record.encode()
        if link.seq != expected or json.loads(record)["seq"] != link.seq:
            raise ChainBroken(f"audit chain: link {expected} is missing")
        if erased.get(link.seq, (0, ""))[0] > link.seq:
            fits = sha256(record) == erased[link.seq][1]
        else:
            fits = _link_hash(previous, record) == link.hash
        if not fits:
            raise ChainBroken(f"audit chain: link {link.seq} was changed")
        previous, expected = link.hash, expected + 1
    count = session.scalar(select(func.count()).select_from(Audit)) or 0
    if count != expected - 1:
        raise ChainBroken(f"audit chain: {count} links, the last is number {expected - 1}")
    return count


def sha256(record: bytes) -> str:
    """The SHA-256 of a record (hexadecimal)."""
    return hashlib.sha256(record).hexdigest()


def _erased(session: Session) -> dict[int, tuple[int, str]]:
    """Links whose records an erasure changed: number -> the newest erasure's own, SHA-256 of the record."""
    found: dict[int, tuple[int, str]] = {}
    erasures = Audit.record.contains('"action":"erase"', autoescape=True)
    for link in session.scalars(select(Audit).where(erasures).order_by(Audit.seq)):
        record = json.loads(link.record)
        if record["action"] == "erase":
            found |= {int(seq): (link.seq, digest) for seq, digest in record["detail"]["records"].items()}
    return found


def _link_hash(previous: str, record: bytes) -> str:
    return hashlib.sha256(previous.encode() + record).hexdigest()
