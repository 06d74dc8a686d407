"""Integrity check of a board: the audit chain and what it says, all files, and the scores, recomputed.

It goes on after a difference and names them all. What the chain and the receipts say: `recorded.py`.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from leaderboard.accounts.receipts import KEY, ServerKey
from leaderboard.admin import recorded
from leaderboard.bundle.names import ENTRY, PERSONAL, canonical
from leaderboard.bundle.scores import Scored, score
from leaderboard.challenge import sealing
from leaderboard.store import audit
from leaderboard.store.audit import ChainBroken
from leaderboard.store.blobs import BlobError
from leaderboard.store.models import Audit, Challenge, File, Submission
from leaderboard.store.store import Store, track_of
from metanas.base.errors import MetanasError
from metanas.evaluation.result import SUBMISSION, ResultError

SHOWN = 50  # most differences in a message


class VerifyError(MetanasError):
    """Something differs from what was stored, signed or recorded; the message names it."""

    exit_code = 3


@dataclass(frozen=True)
class Verified:
    """How much was checked: links of the audit chain, files, submissions scored again, signed heads."""

    links: int
    files: int
    rescored: int
    heads: int

    def __str__(self) -> str:
        return (
            f"{self.links} links of the audit chain, {self.heads} signed heads, {self.files} files, "
            f"{self.rescored} submissions scored again: all as they were"
        )


def verify(
    store: Store, share: float = 1.0, *, heads: Sequence[bytes] = (), key: str | None = None
) -> Verified:
    """Check everything, and rescore a share (0 to 1, rounded up) of the scored submissions.

    heads: signed heads of the chain that were kept elsewhere; without one, a chain that was rewritten as a
    whole is only noticed where a receipt names a link. key: the board's public key in hexadecimal, from a
    trusted source; None for that in its data folder. VerifyError names every difference.
    """
    trusted = key or _public(store)
    differences = [] if key in (None, _public(store)) else [f"the board signs with another key than {key}"]
    with store.database.read() as session:
        try:
            audit.verify(session)
        except (ChainBroken, ValueError) as error:
            differences.append(str(error))
        count = len(session.scalars(select(Audit.seq)).all())
        chain = recorded.links(session)
        differences += recorded.heads(chain, heads, trusted)
        differences += recorded.submissions(session, chain, trusted)
        differences += recorded.owners(session, chain)
        differences += recorded.suspensions(session, chain)
        differences += recorded.tokens(session, chain)
        rows = session.scalars(select(Submission.id).order_by(Submission.id)).all()
        files = session.execute(select(File.submission_id, File.sha256, File.size, File.name)).all()
    erased, deleted = recorded.erased(chain)
    for submission, sha, size, name in files:
        if (submission, sha) not in deleted:
            differences += (f"{submission}: {name}: {words}" for words in _file(store, sha, size))
    chosen = sorted(rows, key=_shuffled)[: math.ceil(share * len(rows))]
    rescored = 0
    for submission in chosen:
        gone = {sha for identity, sha in deleted if identity == submission}
        found = list(_submission(store, submission, gone, erased=submission in erased))
        differences += (f"{submission}: {words}" for words in found if words)
        rescored += "" in found
    if differences:
        more = f"\n... and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
        listed = "\n".join(differences[:SHOWN])
        what = "difference" if len(differences) == 1 else "differences"
        raise VerifyError(f"{len(differences)} {what}:\n{listed}{more}")
    return Verified(count, len(files), rescored, len(heads))


def _public(store: Store) -> str | None:
    """The public key of the board; None for a board that was never served."""
    path = store.data / KEY
    return ServerKey.open(path).public if path.exists() else None


def _file(store: Store, sha: str, size: int) -> Iterator[str]:
    try:
        if len(store.blobs.get(sha)) != size:
            yield "has another size than when it came"
    except BlobError as error:
        yield str(error)


def _submission(store: Store, submission: str, deleted: Set[str], *, erased: bool) -> Iterator[str]:
    """What differs between a submission's row, its files and its scores; "" at the end if it was rescored.

    deleted: SHA-256 of files that an administrator deleted; without them a rejected one is not rescored.
    erased: whether what its authors wrote about themselves was deleted.
    """
    with store.database.read() as session:
        row = session.get_one(Submission, submission)
        digests = {file.name: file.sha256 for file in row.files}
        pinned, fresh = row.accuracies("pinned"), row.accuracies("fresh")
        summaries = {s.task: json.loads(s.summary) for s in row.scores if s.kind == "pinned"}
        challenge = session.scalar(
            select(Challenge).where((Challenge.submission_id == submission) & (Challenge.state == "answered"))
        )
    if hashlib.sha256(canonical(dict(sorted(digests.items())))).hexdigest() != row.digest:
        yield "its files are not those of its bundle"
        return
    for name, text in ((SUBMISSION, row.document), (ENTRY, row.entry)):
        if name == ENTRY and erased:
            digests = {kept: sha for kept, sha in digests.items() if kept not in PERSONAL}
        elif text is not None and hashlib.sha256(text.encode()).hexdigest() != digests.get(name):
            yield f"the database has another {name} than its bundle"
            return
    if row.method != row.parsed.method or row.track != track_of(row.parsed):
        yield f"it stands as {row.method} on {row.track}, unlike its {SUBMISSION} says"
    if not pinned:
        if row.state in ("published", "flagged"):
            yield f"it is {row.state} and has no scores"
        return
    if row.state == "rejected" and deleted & set(digests.values()):
        return
    try:
        scored = score({name: store.blobs.get(sha) for name, sha in digests.items()})
        yield from _same(pinned, scored)
        for task in scored.tasks:
            yield from _same_summary(task.task, summaries.get(task.task, {}), task.summary)
        if challenge is not None:
            answered, number = sealing.answered(challenge, row.parsed, store.data, store.blobs)
            yield from _same(fresh, score(answered, secret=number))
        elif fresh:
            yield "it has fresh scores and answered no challenge"
    except (BlobError, ResultError) as error:
        yield f"cannot be scored again: {error}"
        return
    yield ""


def _same(stored: Mapping[str, NDArray[np.float64]], scored: Scored) -> Iterator[str]:
    for task in scored.tasks:
        if task.task not in stored or not np.array_equal(stored[task.task], task.accuracies()):
            yield f"{task.task} has other scores than its predictions give"
    for name in sorted(set(stored) - {task.task for task in scored.tasks}):
        yield f"it has scores of {name}, which its predictions do not"


def _same_summary(task: str, stored: Mapping[str, float], scored: Mapping[str, float]) -> Iterator[str]:
    for name, value in scored.items():
        if not np.isclose(stored.get(name, np.nan), value, rtol=1e-6, atol=1e-9):
            yield f"{task}: {name} is {stored.get(name)}, its predictions give {value}"


def _shuffled(identity: str) -> str:
    """Sort key that picks submissions evenly over time, and always the same ones."""
    return hashlib.sha256(identity.encode()).hexdigest()
