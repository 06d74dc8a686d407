"""Answer a challenge: check predictions against its commitment, episodes and deadline, then score them.

They are scored in the same sandbox as submissions, with the challenge's labels. The first valid answer counts
and cannot be replaced; the same bytes again (a retry after a lost response) succeed without effect.
Comes after `register.py`.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException

from leaderboard.accounts import quota
from leaderboard.accounts.authorise import MISSING, Actor, Thing, authorise
from leaderboard.bundle.scores import Scored
from leaderboard.challenge.outcome import outcome
from leaderboard.challenge.register import Challenges, own
from leaderboard.challenge.sealing import document, number_of
from leaderboard.scoring.transport import ScorerDied
from leaderboard.store import audit
from leaderboard.store.models import Challenge, now
from leaderboard.store.store import enter, keep_scores
from metanas.evaluation.result import PREDICTIONS, SUBMISSION


def answer(
    challenges: Challenges, actor: Actor, challenge: str, commitment: str, episodes: str, content: bytes
) -> None:
    """Score `content`, a predictions.parquet, and store its scores with the submission.

    The tier becomes "challenged" if they are as good as the pinned ones (`outcome.py`).

    challenge: its id; commitment: SHA-256 of code and weights; episodes: SHA-256 of the inputs.
    Denied, QuotaExceeded, BundleError, or HTTPException 409 (cannot count) or 422 (cannot be scored).
    """
    arrived, digest = now(), hashlib.sha256(content).hexdigest()
    with challenges.store.database.write() as session:
        row = open_challenge(session, actor, challenge)
        if _is_retry(row, digest):
            return
        _check(session, row, commitment, episodes, digest, arrived)
        assert actor.account is not None
        quota.use(session, actor.account, "answer", challenges.limits, arrived)
        submission = document(row.submission.parsed, row.tasks, row.episodes or "", digest)
    scored = _scored(challenges, challenge, {SUBMISSION: submission, PREDICTIONS: content})
    challenges.store.blobs.put(content)
    with challenges.store.database.write() as session:
        row = session.get_one(Challenge, challenge, with_for_update=True)
        if _is_retry(row, digest):
            return
        _check(session, row, commitment, episodes, digest, arrived)
        challenges.store.blobs.put(content)  # again: `admin/orphans.py` may have deleted it since
        row.state, row.answered, row.predictions = "answered", arrived, digest
        keep_scores(session, row.submission_id, scored, kind="fresh")
        result = outcome(
            row.submission.accuracies("pinned"),
            {task.task: task.accuracies() for task in scored.tasks},
        )
        assert result is not None  # a challenge has tasks
        if result.held and row.submission.tier == "recomputed":
            row.submission.tier = "challenged"
        enter(session, row.submission, "published", f"answered the challenge {row.id}, {result}")
        audit.append(session, actor.name, "answered", row.id, {"predictions": digest, "held": result.held})


def open_challenge(session: Session, actor: Actor, challenge: str) -> Challenge:
    """The actor's own challenge of that id, its row locked until the transaction ends. Denied otherwise."""
    row = session.get(Challenge, challenge, with_for_update=True)
    authorise(actor, "challenge", thing(row))
    assert row is not None  # or it would have been denied
    own(actor, row.submission)
    return row


def thing(row: Challenge | None) -> Thing:
    """A challenge as `authorise` sees it: public once it is answered; MISSING if there is none."""
    return MISSING if row is None else Thing(row.submission.account_id, row.state == "answered")


def _is_retry(row: Challenge, digest: str) -> bool:
    return row.state == "answered" and row.predictions == digest


def _check(
    session: Session, row: Challenge, commitment: str, episodes: str, digest: str, at: datetime
) -> None:
    """HTTPException 409 if these answers cannot count, with the reason."""
    if row.state == "answered":
        raise HTTPException(409, "this challenge was answered; the first answer counts")
    if row.state == "drawing":
        raise HTTPException(409, "its episodes are not drawn yet; send the commitment again")
    if at > row.deadline:
        closed = row.deadline.isoformat(timespec="minutes")
        raise HTTPException(409, f"the challenge closed at {closed}; register another one")
    if commitment != row.commitment:
        message = f"code and weights have the SHA-256 {commitment}, the commitment was {row.commitment}"
        raise HTTPException(409, f"{message}: something was changed after it")
    if episodes != row.episodes:
        raise HTTPException(409, f"these are answers to the episodes {episodes}, not to {row.episodes}")
    if row.submission.state != "published":
        raise HTTPException(409, f"the submission is {row.submission.state}; it cannot be challenged")
    twin = session.scalar(select(Challenge.id).where(Challenge.predictions == digest))
    if twin is not None:
        raise HTTPException(409, f"these very predictions answered another challenge, {twin}")


def _scored(challenges: Challenges, challenge: str, members: Mapping[str, bytes]) -> Scored:
    """Scores from the sandbox, which reads files. HTTPException 422 if its process dies."""
    with TemporaryDirectory(prefix="metanas-answer-") as folder:
        files = {name: Path(folder) / name for name in members}
        for name, path in files.items():
            path.write_bytes(members[name])
        try:
            return challenges.sandbox.run(files, secret=number_of(challenges.secret, challenge))
        except ScorerDied as error:
            raise HTTPException(422, f"these predictions could not be scored: {error}") from error
