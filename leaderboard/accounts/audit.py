"""The audit chain: every change that matters is a link, hash_i = SHA-256(hash_{i-1} + record_i).

Who holds an old hash (every receipt has one) can prove later whether history was rewritten. The database
itself refuses to change or delete a link.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from leaderboard.bundle.names import canonical
from leaderboard.store.models import Audit, now

START = "0" * 64
_LOCK = 0x6D6E6175


class ChainBroken(RuntimeError):
    """A link of the audit chain is not what it was."""


def append(session: Session, actor: str, action: str, subject: str, detail: Mapping[str, Any]) -> Audit:
    """Add a link, in the caller's transaction."""
    if session.get_bind().dialect.name == "postgresql":  # one after the other until the end of each
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
    link = Audit(seq=seq + 1, record=record.decode(), hash=chained(previous, record))
    session.add(link)
    session.flush()
    return link


def chained(previous: str, record: bytes) -> str:
    return hashlib.sha256(previous.encode() + record).hexdigest()


def head(session: Session) -> Audit | None:
    """The newest link."""
    return session.scalar(select(Audit).order_by(Audit.seq.desc()).limit(1))


def verify(session: Session) -> int:
    """Recompute the whole chain; returns its length. ChainBroken names the first wrong link."""
    previous, expected = START, 1
    for link in session.scalars(select(Audit).order_by(Audit.seq)).yield_per(1000):
        record = link.record.encode()
        if link.seq != expected or json.loads(record)["seq"] != link.seq:
            raise ChainBroken(f"audit chain: link {expected} is missing")
        if chained(previous, record) != link.hash:
            raise ChainBroken(f"audit chain: link {link.seq} was changed")
        previous, expected = link.hash, expected + 1
    count = session.scalar(select(func.count()).select_from(Audit)) or 0
    if count != expected - 1:
        raise ChainBroken(f"audit chain: {count} links, the last is number {expected - 1}")
    return count
