"""How long a board keeps what nobody needs: bundles of rejected submissions, unanswered challenges' episodes.

Only files go. Rows, reasons, digests and the audit chain stay; a link of the chain names the files that were
deleted, so `verify` does not miss them (`recorded.erased`).
"""

from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from leaderboard.admin.orphans import delete, of_these_alone
from leaderboard.store import audit
from leaderboard.store.models import Challenge, Event, Submission, now
from leaderboard.store.store import Store

ACTOR = "administrator"


class Expired(NamedTuple):
    """What is past its time: submissions, challenges, and the files of theirs that still exist."""

    submissions: tuple[str, ...]
    challenges: tuple[str, ...]
    files: tuple[str, ...]  # SHA-256
    size: int  # bytes


def expire(store: Store, days: float, *, remove: bool) -> Expired:
    """Find what was rejected, or not answered, more than `days` ago, and delete its files if told to."""
    with store.database.write() as session:
        found = _expired(store, session, days)
        if remove and found.files:
            detail = {key: list(ids) for key, ids in found._asdict().items() if key != "size"}
            audit.append(session, ACTOR, "expire", f"{len(found.files)} files", detail)
    if remove:  # now that the chain names them: what a kill leaves is found again, a missing one is a fault
        delete(store, found.files, lambda session: _expired(store, session, days).files)
    return found


def _expired(store: Store, session: Session, days: float) -> Expired:
    before = now() - timedelta(days=days)
    kept = select(Event.id).where((Event.submission_id == Submission.id) & (Event.at >= before)).exists()
    old = (Submission.state == "rejected") & ~kept
    submissions = session.scalars(select(Submission.id).where(old).order_by(Submission.id)).all()
    missed = Challenge.answered.is_(None) & (Challenge.deadline < before) & Challenge.episodes.is_not(None)
    challenges = session.scalars(select(Challenge.id).where(missed).order_by(Challenge.id)).all()
    files = of_these_alone(session, submissions, challenges=challenges)
    there = {sha: store.blobs.path(sha).stat().st_size for sha in files if store.blobs.path(sha).exists()}
    return Expired(tuple(submissions), tuple(challenges), tuple(sorted(there)), sum(there.values()))
