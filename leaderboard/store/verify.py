"""Is everything still what it was? The audit chain, every blob, and a share of the scores made again."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from leaderboard.accounts import audit
from leaderboard.challenge import sealing
from leaderboard.scoring.scores import Scored, score
from leaderboard.store.models import Challenge, File, Score, Submission
from leaderboard.store.store import Store


class VerifyError(RuntimeError):
    """Something on the board is not what it was; the message says what."""


@dataclass(frozen=True)
class Verified:
    """How much was checked."""

    links: int
    files: int
    rescored: int

    def __str__(self) -> str:
        return (
            f"{self.links} links of the audit chain, {self.files} files, "
            f"{self.rescored} submissions scored again: all as they were"
        )


def verify(store: Store, share: float) -> Verified:
    """Check all links and files, and rescore a share (0 to 1) of what is scored, at least one.

    VerifyError, ChainBroken or BlobError name the first thing that is wrong.
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
    return hashlib.sha256(identity.encode()).hexdigest()
