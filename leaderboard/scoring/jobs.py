"""The queue of submissions that wait for scores, in the database itself: no broker, nothing to lose.

A job is inserted in the transaction that accepts its submission. A worker leases it for a while; one that
dies loses its lease, and another takes over. `attempt` is a fence: who comes back too late changes nothing,
so no submission is scored twice.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Update, and_, func, or_, select, update
from sqlalchemy.orm import Session

from leaderboard.store.models import Job, Submission
from leaderboard.store.store import enter

MOST_ATTEMPTS = 3


@dataclass(frozen=True)
class Lease:
    """One job in one worker's hands."""

    job: int
    submission: str
    attempt: int
    worker: str


def enqueue(session: Session, submission: str) -> None:
    """Let a submission wait for its scores."""
    session.add(Job(submission_id=submission, state="waiting"))


def lease(session: Session, worker: str, seconds: float, at: datetime) -> Lease | None:
    """The oldest job that nobody works on, if there is one. Its submission is "scoring" now."""
    free = or_(Job.state == "waiting", and_(Job.state == "leased", Job.leased_until < at))
    query = select(Job).where(free).order_by(Job.id).limit(1).with_for_update(skip_locked=True)
    job = session.scalar(query)
    if job is None:
        return None
    submission = session.get_one(Submission, job.submission_id)
    if job.attempts >= MOST_ATTEMPTS:  # its workers died each time
        fail(session, job, submission, f"{job.attempts} workers did not come back")
        return None
    job.state, job.worker, job.attempts = "leased", worker, job.attempts + 1
    job.leased_until = at + timedelta(seconds=seconds)
    enter(session, submission, "scoring", f"attempt {job.attempts} of {MOST_ATTEMPTS}")
    return Lease(job.id, job.submission_id, job.attempts, worker)


def finish(session: Session, held: Lease, log: str) -> bool:
    """The job is done, in the caller's transaction. False if the lease was lost: then store nothing."""
    return _changed(session, update(Job).where(_is(held)).values(state="done", log=log, leased_until=None))


def give_back(session: Session, held: Lease, log: str) -> None:
    """The scorer died. Try again, or give up after the last attempt."""
    job = session.scalar(select(Job).where(_is(held)).with_for_update())
    if job is None:
        return
    submission = session.get_one(Submission, job.submission_id)
    if job.attempts >= MOST_ATTEMPTS:
        fail(session, job, submission, log)
        return
    job.state, job.leased_until, job.log = "waiting", None, log
    enter(session, submission, "received", f"the scorer stopped ({log}); it will be tried again")


def fail(session: Session, job: Job, submission: Submission, log: str) -> None:
    """Give up; an administrator may ask for another try."""
    job.state, job.log, job.leased_until = "failed", log, None
    enter(session, submission, "failed", f"could not be scored: {log}")


def restart(session: Session, submission: str) -> bool:
    """Let a failed job wait again. False if it is not a failed one."""
    waiting = {"state": "waiting", "attempts": 0, "leased_until": None, "worker": None}
    failed = (Job.submission_id == submission) & (Job.state == "failed")
    return _changed(session, update(Job).where(failed).values(waiting))


def ahead(session: Session, submission: str) -> int | None:
    """How many jobs come before this one; None if it does not wait."""
    mine = session.scalar(select(Job.id).where((Job.submission_id == submission) & (Job.state == "waiting")))
    if mine is None:
        return None
    before = (Job.id < mine) & Job.state.in_(("waiting", "leased"))
    return session.scalar(select(func.count()).select_from(Job).where(before)) or 0


def _is(held: Lease) -> ColumnElement[bool]:
    return and_(
        Job.id == held.job,
        Job.state == "leased",
        Job.worker == held.worker,
        Job.attempts == held.attempt,
    )


def _changed(session: Session, statement: Update) -> bool:
    return session.scalar(statement.returning(Job.id)) is not None
