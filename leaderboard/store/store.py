"""The board's memory: submissions, their files, and their recomputed scores.

`add` takes a run folder of one's own: checked, scored and published at once. What comes from others goes
through `server/` and waits in the queue (`jobs.py`) for a scorer in a process of its own; both end in
`keep_scores` and `publish`. Next: `leaderboard/standing.py` gives out what is published as plain values.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from leaderboard.bundle.names import ENTRY, FILES, Members, bundle_digest, hashes
from leaderboard.scoring.scores import Scored, score
from leaderboard.store.blobs import Blobs
from leaderboard.store.database import Database
from leaderboard.store.models import Detail, Event, File, Method, Score, Submission, new_id
from metanas.evaluation.result import ResultError
from metanas.evaluation.result import Submission as Document


def track_of(submission: Document) -> str:
    """What may be ranked together: "mini-v1 1.0 / small / full data".

    Never a sample with the full set, nor different budgets, domains or numbers of episodes.
    """
    budget = submission.budget
    settings = "-".join(str(budget[key]) for key in sorted(budget) if key != "name")
    pinned = hashlib.sha256("".join(t.manifest + t.fingerprint for t in submission.tasks).encode())
    kind = "sample" if any(task.sample for task in submission.tasks) else "full data"
    name = f"{submission.suite} {submission.suite_version} / {budget['name']} ({settings}) / {kind}"
    return f"{name} / {pinned.hexdigest()[:8]}"


class Store:
    """An opened board: a database and, beside it, a folder of blobs.

    url: an SQLite file, made if it is not there, or postgresql://...
    data: the folder of blobs and keys; beside the SQLite file if it is not given.
    """

    def __init__(self, url: str | Path, data: Path | None = None) -> None:
        self.database = Database(str(url))
        self.data = data or _beside(self.database)
        self.blobs = Blobs(self.data / "blobs")

    def add(self, folder: Path) -> str:
        """Check, score and publish a run folder; returns its track. ResultError says what is wrong.

        The same result twice is stored once; a newer one of the same method and track supersedes.
        """
        members = {name: (folder / name).read_bytes() for name in FILES if (folder / name).is_file()}
        for name, allowed in FILES.items():
            if allowed.required and name != ENTRY and name not in members:
                raise ResultError(f"{name}: missing in {folder}; is it the folder of a finished run?")
        scored = score(members)
        for content in members.values():
            self.blobs.put(content)
        digest = bundle_digest(members)
        with self.database.write() as session:
            if session.scalar(select(Submission.id).where(Submission.digest == digest)) is None:
                row = insert(session, members, scored.submission, account=None)
                keep_scores(session, row.id, scored)
                publish(session, row, "added from a run folder on this machine")
        return track_of(scored.submission)

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def insert(session: Session, members: Members, document: Document, *, account: int | None) -> Submission:
    """A submission's row with its files, whose blobs must be there already. Its state is "received"."""
    method = session.get(Method, document.method)
    if method is None:
        session.add(Method(name=document.method, account_id=account))
        session.flush()
    entry = members.get(ENTRY)
    row = Submission(
        id=new_id(),
        digest=bundle_digest(members),
        account_id=account,
        method=document.method,
        track=track_of(document),
        state="received",
        tier="recomputed",
        document=members["submission.json"].decode(),
        entry=None if entry is None else entry.decode(),
    )
    row.files += [
        File(name=name, sha256=digest, size=len(members[name])) for name, digest in hashes(members).items()
    ]
    row.events.append(Event(state="received", reason="complete and well-formed"))
    session.add(row)
    session.flush()
    return row


def enter(session: Session, row: Submission, state: str, reason: str) -> None:
    """Move a submission to a state, for everyone to see."""
    row.state = state
    session.add(Event(submission_id=row.id, state=state, reason=reason))


def keep_scores(session: Session, submission_id: str, scored: Scored, *, kind: str = "pinned") -> None:
    """Store what was recomputed."""
    for task in scored.tasks:
        session.add(
            Score(
                submission_id=submission_id,
                kind=kind,
                task=task.task,
                seeds=len(task.right),
                queries=task.queries,
                right=np.ascontiguousarray(task.right, "<u2").tobytes(),
                summary=json.dumps(task.summary),
            )
        )
    for part, details in (("architecture", scored.architectures), ("curve", scored.curves)):
        for name, found in details.items():
            session.add(Detail(submission_id=submission_id, kind=part, task=name, text=json.dumps(found)))


def publish(session: Session, row: Submission, reason: str) -> None:
    """Show it on the board; older ones of the same method and track are superseded."""
    session.execute(update(Submission).where(published_beside(row)).values(superseded=True))
    enter(session, row, "published", reason)


def published_beside(row: Submission) -> ColumnElement[bool]:
    """What else of its method and track is published."""
    return (
        (Submission.track == row.track)
        & (Submission.method == row.method)
        & (Submission.state == "published")
        & (Submission.id != row.id)
    )


def _beside(database: Database) -> Path:
    if not database.sqlite:
        return Path("runs/leaderboard-data")
    path = Path(database.url.database or "leaderboard")
    return path.with_name(path.stem + "-data")
