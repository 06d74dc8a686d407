"""The queue of submissions that wait to be scored, a table of the board's database.

A job is inserted in the transaction that accepts its submission. A worker leases a job for some seconds; if
the worker dies, the lease runs out and another worker takes over. The lease's attempt number (a fencing
token) keeps a late worker from storing anything, so no submission is scored twice. All functions run in the
caller's transaction.
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
    """A job that a worker has leased. attempt: 1 for the first."""

    job: int
    submission: str
    attempt: int
    worker: str


def enqueue(session: Session, submission: str) -> None:
    """Queue a submission for scoring."""
    session.add(Job(submission_id=submission, state="waiting"))


def lease(session: Session, worker: str, seconds: float, at: datetime) -> Lease | None:
    """Lease the oldest free job for `seconds`; its submission enters "scoring". None if no job is free."""
    free = or_(Job.state == "waiting", and_(Job.state == "leased", Job.leased_until < at))
    query = select(Job).where(free).order_by(Job.id).limit(1).with_for_update(skip_locked=True)
    job = session.scalar(query)
    if job is None:
        return None
    submission = session.get_one(Submission, job.submission_id)
    if job.attempts >= MOST_ATTEMPTS:  # every worker that leased it has died
        fail(session, job, submission, f"{job.attempts} workers did not come back")
        return None
    job.state, job.worker, job.attempts = "leased", worker, job.attempts + 1
    job.leased_until = at + timedelta(seconds=seconds)
    enter(session, submission, "scoring", f"attempt {job.attempts} of {MOST_ATTEMPTS}")
    return Lease(job.id, job.submission_id, job.attempts, worker)


def finish(session: Session, leased: Lease, log: str) -> bool:
    """Mark a job as done. False if the lease was lost: then the caller must store nothing."""
    return _changed(session, update(Job).where(_is(leased)).values(state="done", log=log, leased_until=None))


def give_back(session: Session, leased: Lease, log: str) -> None:
    """Queue a job again after its scorer died; fail it after MOST_ATTEMPTS. A lost lease changes nothing."""
    job = session.scalar(select(Job).where(_is(leased)).with_for_update())
    if job is None:
        return
    submission = session.get_one(Submission, job.submission_id)
    if job.attempts >= MOST_ATTEMPTS:
        fail(session, job, submission, log)
        return
    job.state, job.leased_until, job.log = "waiting", None, log
    enter(session, submission, "received", f"the scorer stopped ({log}); it will be tried again")


def fail(session: Session, job: Job, submission: Submission, log: str) -> None:
    """Give up a job; its submission enters "failed". An administrator may `restart` it."""
    job.state, job.log, job.leased_until = "failed", log, None
    enter(session, submission, "failed", f"could not be scored: {log}")


def restart(session: Session, submission: str) -> bool:
    """Queue a failed job again, with all its attempts. False if the submission has no failed job."""
    waiting = {"state": "waiting", "attempts": 0, "leased_until": None, "worker": None}
    failed = (Job.submission_id == submission) & (Job.state == "failed")
    return _changed(session, update(Job).where(failed).values(waiting))


def ahead(session: Session, submission: str) -> int | None:
    """Number of jobs before this submission's; None if it is not waiting."""
    mine = session.scalar(select(Job.id).where((Job.submission_id == submission) & (Job.state == "waiting")))
    if mine is None:
        return None
    before = (Job.id < mine) & Job.state.in_(("waiting", "leased"))
    return session.scalar(select(func.count()).select_from(Job).where(before)) or 0


def _is(leased: Lease) -> ColumnElement[bool]:
    """The job of this lease, if the lease is still valid."""
    return and_(
        Job.id == leased.job,
        Job.state == "leased",
        Job.worker == leased.worker,
        Job.attempts == leased.attempt,
    )


def _changed(session: Session, statement: Update) -> bool:
    """Execute an update of Job; whether it changed a row."""
    return session.scalar(statement.returning(Job.id)) is not None
