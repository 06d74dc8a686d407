"""Register a challenge: the entrant commits to code and weights by SHA-256, then fresh episodes are drawn.

The commitment and its use of the quota are on the disk before anything is drawn. If the server is killed
while it draws, the challenge stays in state "drawing", and the same request again draws its episodes. Next:
`answer.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException

from leaderboard.accounts import quota
from leaderboard.accounts.authorise import Actor, Denied, authorise, thing_of
from leaderboard.accounts.quota import Limits
from leaderboard.challenge.sealing import DrawError, NotSealable, as_json, drawn, number_of, sealed_tasks
from leaderboard.scoring.sandbox import Sandbox
from leaderboard.store import audit
from leaderboard.store.models import Challenge, Submission, now
from leaderboard.store.store import Store
from metanas.data.sealed import SealedTask

_drawing = Lock()


@dataclass(frozen=True)
class Challenges:
    """What registering and scoring challenges needs.

    secret: see `sealing.secret`; episodes: per task; window: time from the drawing to the deadline.
    """

    store: Store
    secret: bytes
    limits: Limits
    sandbox: Sandbox
    episodes: int
    window: timedelta


def register(
    challenges: Challenges, actor: Actor, submission: str, commitment: str, domains: Sequence[str]
) -> str:
    """Register a challenge and draw its episodes; returns its id. The same request again gives the same one.

    submission: its id; commitment: SHA-256 of code and weights; domains: none for all that can be sealed.
    Denied, QuotaExceeded, or HTTPException 409 (conflict), 422 (cannot be sealed) or 503 (drawing failed).
    """
    with challenges.store.database.write() as session:
        row, tasks = _registered(session, challenges, actor, submission, commitment, domains)
        identity, ready = row.id, row.state == "open"
    if ready:
        return identity
    if not _drawing.acquire(blocking=False):  # one at a time, and nobody's thread waits for it
        message = "other episodes are being drawn; the commitment is kept, send it again"
        raise HTTPException(503, message, headers={"Retry-After": "30"})
    try:
        content = drawn(number_of(challenges.secret, identity), tasks)
    except DrawError as error:
        raise HTTPException(503, str(error), headers={"Retry-After": "60"}) from error
    finally:
        _drawing.release()
    digest = challenges.store.blobs.put(content)
    with challenges.store.database.write() as session:
        row = session.get_one(Challenge, identity, with_for_update=True)
        if row.state == "drawing":  # else another request has drawn them meanwhile
            row.state, row.episodes = "open", digest
            row.deadline = now() + challenges.window
            audit.append(session, "board", "drawn", identity, {"episodes": digest})
    return identity


def _registered(
    session: Session,
    challenges: Challenges,
    actor: Actor,
    submission: str,
    commitment: str,
    domains: Sequence[str],
) -> tuple[Challenge, list[SealedTask]]:
    """The challenge of this request, new or from before, and its tasks; errors as for `register`."""
    target = session.get(Submission, submission)
    authorise(actor, "challenge", thing_of(target))
    assert target is not None and actor.account is not None  # or it would have been denied
    own(actor, target)
    quota.lock(session, actor.account)
    if target.state != "published" or target.superseded:
        state = "superseded" if target.superseded else target.state
        raise HTTPException(
            409, f"the submission is {state}; only what stands on the board can be challenged"
        )
    try:
        tasks = sealed_tasks(target.parsed, domains, challenges.episodes)
    except NotSealable as error:
        raise HTTPException(422, str(error)) from error
    at = now()
    for other in _of_method(session, target.method):
        if other.submission_id == submission and other.state == "answered":
            raise HTTPException(409, "this submission was challenged and answered; each is only once")
        if other.state != "answered" and other.deadline > at:
            same = (other.submission_id, other.commitment, other.tasks)
            if same == (submission, commitment, as_json(tasks)):
                return other, tasks
            until = other.deadline.isoformat(timespec="minutes")
            raise HTTPException(
                409, f"{target.method} has the challenge {other.id}, until {until}: one at a time"
            )
    quota.use(session, actor.account, "challenge", challenges.limits, at)
    row = Challenge(
        submission_id=submission,
        commitment=commitment,
        tasks=as_json(tasks),
        state="drawing",
        deadline=at + challenges.window,
    )
    session.add(row)
    session.flush()
    detail = {"submission": submission, "commitment": commitment}
    audit.append(session, actor.name, "committed", row.id, detail)
    return row, tasks


def own(actor: Actor, submission: Submission) -> None:
    """Denied unless the submission is the actor's own; no scope allows challenges on behalf of others."""
    if submission.account_id != actor.account:
        raise Denied(403, "this belongs to someone else; only its owner commits and answers")


def _of_method(session: Session, method: str) -> Sequence[Challenge]:
    query = select(Challenge).join(Submission).where(Submission.method == method)
    return session.scalars(query.order_by(Challenge.id)).all()
