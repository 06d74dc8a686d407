"""Decisions of a reviewer on a submission: publish or reject what is flagged or disputed, or score it again.

API, pages and command line decide here; who may is the caller's to ask (`accounts/authorise.py`). What
waits for a decision: `waiting`.
"""

from typing import Literal, NamedTuple

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session, selectinload

from leaderboard.scoring import jobs
from leaderboard.scoring.ladder import reinstate
from leaderboard.store import audit
from leaderboard.store.models import Flag, Submission, now
from leaderboard.store.store import enter, publish
from leaderboard.store.visibility import PUBLISHED
from metanas.base.errors import MetanasError

Verdict = Literal["publish", "reject", "reproduced"]


class Undecidable(MetanasError):
    """There is nothing of this kind to decide about the submission."""

    exit_code = 3


class Waiting(NamedTuple):
    """A submission that needs a person. why: its flags, or the reason it entered its state."""

    id: str
    method: str
    owner: str
    state: str
    since: str
    why: tuple[str, ...]


def waiting(session: Session) -> list[Waiting]:
    """Flagged and disputed submissions, failed ones, and those in the queue, oldest first."""
    doubted = exists().where((Flag.submission_id == Submission.id) & Flag.cleared.is_(None))
    states = Submission.state.in_(("flagged", "failed", "received", "scoring"))
    query = select(Submission).where(or_(states, PUBLISHED & doubted)).order_by(Submission.id)
    parts = (Submission.flags, Submission.events, Submission.account)
    return [_waiting(row) for row in session.scalars(query.options(*map(selectinload, parts)))]


def _waiting(row: Submission) -> Waiting:
    flags = tuple(f"{flag.kind}: {flag.detail}" for flag in row.flags if flag.cleared is None)
    last = row.events[-1]
    state = "disputed" if row.state == "published" else row.state
    owner = "-" if row.account is None else row.account.name
    return Waiting(
        row.id, row.method, owner, state, last.at.isoformat(" ", "minutes"), flags or (last.reason,)
    )


def decide(session: Session, row: Submission, verdict: Verdict, reason: str, *, actor: str) -> None:
    """Publish or reject a flagged or disputed submission, or record that a maintainer reproduced it.

    actor: the account's name. Undecidable says why not.
    """
    if verdict == "reproduced":
        if row.state != "published":
            raise Undecidable(f"it is {row.state}; only what is published can be reproduced")
        row.tier = "reproduced"
        enter(session, row, "published", f"reproduced: {reason}")
    elif row.state not in ("flagged", "published"):
        raise Undecidable(f"it is {row.state}; there is nothing to decide")
    elif verdict == "reject":
        left = row.state == "published"
        enter(session, row, "rejected", reason)
        if left:
            reinstate(session, row)
    else:
        settled = session.query(Flag).where((Flag.submission_id == row.id) & Flag.cleared.is_(None))
        if not settled.update({"cleared": now()}) and row.state == "published":
            raise Undecidable("it is published and nothing about it is in doubt")
        if row.state == "published":
            enter(session, row, "published", f"dispute settled: {reason}")
        else:
            publish(session, row, reason)
    audit.append(session, actor, verdict, row.id, {"reason": reason})


def rescore(session: Session, row: Submission, *, actor: str) -> None:
    """Queue a submission again that could not be scored. Undecidable for any other."""
    if not jobs.restart(session, row.id):
        raise Undecidable(f"it is {row.state}; only what failed can be scored again")
    enter(session, row, "received", "an administrator asked for another try")
    audit.append(session, actor, "rescore", row.id, {})
