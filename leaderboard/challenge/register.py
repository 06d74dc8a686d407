"""Commit first, then receive: a challenge is registered with the SHA-256 of code and weights.

The commitment and its use of the quota are on the disk before anything is drawn. A server that is killed
while it draws leaves a challenge that says so; the same request again draws it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException

from leaderboard.accounts import audit, quota
from leaderboard.accounts.authorise import Actor, Denied, authorise, thing_of
from leaderboard.accounts.quota import Limits
from leaderboard.challenge.sealing import (
    DrawError,
    NotSealable,
    as_json,
    drawn,
    number_of,
    sealed_tasks,
)
from leaderboard.scoring.sandbox import Sandbox
from leaderboard.store.models import Challenge, Submission, now
from leaderboard.store.store import Store
from metanas.sealed import SealedTask


@dataclass(frozen=True)
class Challenges:
    """What giving and scoring challenges needs. episodes: per task; window: from commitment to answer."""

    store: Store
    secret: bytes
    limits: Limits
    sandbox: Sandbox
    episodes: int
    window: timedelta


def register(
    given: Challenges, actor: Actor, submission: str, commitment: str, domains: Sequence[str]
) -> str:
    """A challenge's id, its episodes drawn. Denied, QuotaExceeded or HTTPException say why not.

    The same request again gives the same challenge.
    """
    with given.store.database.write() as session:
        row, tasks = _registered(session, given, actor, submission, commitment, domains)
        identity, ready = row.id, row.state == "open"
    if ready:
        return identity
    try:
        content = drawn(number_of(given.secret, identity), tasks)
    except DrawError as error:
        raise HTTPException(503, str(error), headers={"Retry-After": "60"}) from error
    digest = given.store.blobs.put(content)
    with given.store.database.write() as session:
        row = session.get_one(Challenge, identity, with_for_update=True)
        if row.state == "drawing":  # not drawn by a request beside this one
            row.state, row.episodes = "open", digest
            row.deadline = now() + given.window
            audit.append(session, "board", "drawn", identity, {"episodes": digest})
    return identity


def _registered(
    session: Session,
    given: Challenges,
    actor: Actor,
    submission: str,
    commitment: str,
    domains: Sequence[str],
) -> tuple[Challenge, list[SealedTask]]:
    found = session.get(Submission, submission)
    authorise(actor, "challenge", thing_of(found))
    assert found is not None and actor.account is not None  # or it would have been denied
    own(actor, found)
    quota.lock(session, actor.account)
    if found.state != "published" or found.superseded:
        state = "superseded" if found.superseded else found.state
        raise HTTPException(
            409, f"the submission is {state}; only what stands on the board can be challenged"
        )
    try:
        tasks = sealed_tasks(found.parsed, domains, given.episodes)
    except NotSealable as error:
        raise HTTPException(422, str(error)) from error
    at = now()
    for other in _of_method(session, found.method):
        if other.submission_id == submission and other.state == "answered":
            raise HTTPException(409, "this submission was challenged and answered; each is only once")
        if other.state != "answered" and other.deadline > at:
            same = (other.submission_id, other.commitment, other.tasks)
            if same == (submission, commitment, as_json(tasks)):
                return other, tasks
            until = other.deadline.isoformat(timespec="minutes")
            raise HTTPException(
                409, f"{found.method} has the challenge {other.id}, until {until}: one at a time"
            )
    quota.use(session, actor.account, "challenge", given.limits, at)
    row = Challenge(
        submission_id=submission,
        commitment=commitment,
        tasks=as_json(tasks),
        state="drawing",
        deadline=at + given.window,
    )
    session.add(row)
    session.flush()
    detail = {"submission": submission, "commitment": commitment}
    audit.append(session, actor.name, "committed", row.id, detail)
    return row, tasks


def own(actor: Actor, submission: Submission) -> None:
    """Nobody commits or answers for others, whatever else their token may."""
    if submission.account_id != actor.account:
        raise Denied(403, "this belongs to someone else; only its owner commits and answers")


def _of_method(session: Session, method: str) -> Sequence[Challenge]:
    query = select(Challenge).join(Submission).where(Submission.method == method)
    return session.scalars(query.order_by(Challenge.id)).all()
