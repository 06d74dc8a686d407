"""Integrity check of a board: the audit chain, all files, and a share of the scores, recomputed."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from leaderboard.accounts import audit
from leaderboard.bundle.scores import Scored, score
from leaderboard.challenge import sealing
from leaderboard.store.models import Challenge, File, Score, Submission
from leaderboard.store.store import Store
from metanas.base.errors import MetanasError


class VerifyError(MetanasError):
    """A file or a score differs from what was stored; the message names it."""

    exit_code = 3


@dataclass(frozen=True)
class Verified:
    """How much was checked: links of the audit chain, files, and submissions scored again."""

    links: int
    files: int
    rescored: int

    def __str__(self) -> str:
        return (
            f"{self.links} links of the audit chain, {self.files} files, "
            f"{self.rescored} submissions scored again: all as they were"
        )


def verify(store: Store, share: float) -> Verified:
    """Check all links and files, and rescore a share (0 to 1, rounded up) of the scored submissions.

    VerifyError, ChainBroken or BlobError name the first error.
    """
    with store.database.read() as session:
        links = audit.verify(session)
        files = list(session.execute(select(File.submission_id, File.name, File.sha256, File.size)))
        scored = sorted(set(session.scalars(select(Score.submission_id))), key=_shuffled)
    for submission, name, sha, size in files:
        if len(store.blobs.get(sha)) != size:
            raise VerifyError(f"{submission}: {name} has another size than when it came")
    chosen = scored[: math.ceil(share * len(scored))]
    for submission in chosen:
        _rescore(store, submission)
    return Verified(links, len(files), len(chosen))


def _rescore(store: Store, submission: str) -> None:
    with store.database.read() as session:
        row = session.get_one(Submission, submission)
        members = {file.name: store.blobs.get(file.sha256) for file in row.files}
        stored = {s.task: s.accuracies() for s in row.scores if s.kind == "pinned"}
        fresh = {s.task: s.accuracies() for s in row.scores if s.kind == "fresh"}
        challenge = session.scalar(
            select(Challenge).where((Challenge.submission_id == submission) & (Challenge.state == "answered"))
        )
        document = row.parsed
    _same(submission, stored, score(members))
    if challenge is not None:
        answered, number = sealing.answered(challenge, document, store.data, store.blobs)
        _same(submission, fresh, score(answered, secret=number))


def _same(submission: str, stored: Mapping[str, NDArray[np.float64]], scored: Scored) -> None:
    for task in scored.tasks:
        if not np.array_equal(stored[task.task], task.accuracies()):
            raise VerifyError(f"{submission}: {task.task} has other scores than its predictions give")


def _shuffled(identity: str) -> str:
    """Sort key that picks submissions evenly over time, and always the same ones."""
    return hashlib.sha256(identity.encode()).hexdigest()
