"""The store of a board: submissions, their files and their scores, in a database and a folder of blobs.

`Store.add` takes a local run folder: it is checked, scored and published at once. Submissions to a server are
queued (`scoring/jobs.py`) and scored by its worker; both paths end in `keep_scores` and `publish`. Next:
`ranking/standing.py` reads submissions as plain values.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from leaderboard.bundle.names import ENTRY, FILES, Members, bundle_digest, hashes
from leaderboard.bundle.scores import Scored, score
from leaderboard.store import audit
from leaderboard.store.blobs import Blobs
from leaderboard.store.database import Database, alone
from leaderboard.store.models import (
    Detail,
    Event,
    File,
    Method,
    Score,
    Submission,
    new_id,
    now,
    packed,
    permanent_id,
)
from leaderboard.store.suites import Suites
from metanas.base.atomic import check_writable
from metanas.data.suite import load_suite, names
from metanas.evaluation.gains import EVERYWHERE
from metanas.evaluation.pretraining import BADGE, external_weights
from metanas.evaluation.result import ResultError, Task
from metanas.evaluation.result import Submission as Document
from metanas.evaluation.track import trained_otherwise

Scorer = Callable[[Mapping[str, Path]], Scored]  # scores the files of a bundle, by name


def track_of(submission: Document) -> str:
    """The track of a submission; submissions of the same track are ranked together.

    It names suite, version, budget and "full data" or "sample", and ends with 8 digits of a hash of the data
    and episodes of all tasks: "mini-v1 1.0 / small (...) / full data / 0123abcd". Runs of backbones with
    weights from elsewhere have "external pre-training" before the hash, those that were not meta-trained as
    the suite says "trained otherwise" and 8 digits of a hash of how. The order in which a submission lists
    the tasks of a known suite does not count.
    """
    budget = submission.budget
    settings = "-".join(str(budget[key]) for key in sorted(budget) if key != "name")
    pinned = hashlib.sha256("".join(t.manifest + t.fingerprint for t in _in_order(submission)).encode())
    kind = "sample" if any(task.sample for task in submission.tasks) else "full data"
    name = f"{submission.suite} {submission.suite_version} / {budget['name']} ({settings}) / {kind}"
    if external_weights(submission):
        name += f" / {BADGE}"
    if otherwise := trained_otherwise(submission):
        name += f" / trained otherwise {hashlib.sha256(repr(otherwise).encode()).hexdigest()[:8]}"
    return f"{name} / {pinned.hexdigest()[:8]}"


def _in_order(submission: Document) -> list[Task]:
    """The tasks in the order of their suite, sorted by name for one that an administrator added."""
    if submission.suite not in names():
        return sorted(submission.tasks, key=lambda t: (t.domain, t.shots))
    places = {domain: i for i, domain in enumerate(load_suite(submission.suite).domains)}
    return sorted(submission.tasks, key=lambda t: (places.get(t.domain, len(places)), t.shots))


def score_files(files: Mapping[str, Path]) -> Scored:
    """The scores of a bundle's files, by name. ResultError as of `score`."""
    return score({name: path.read_bytes() for name, path in files.items()})


class Store:
    """An open board: a database and a data folder.

    url: an SQLite file, created if it is missing, or postgresql://...
    data: the folder of blobs and keys; by default beside the SQLite file. StoreError if it cannot be opened.
    """

    def __init__(self, url: str | Path, data: Path | None = None) -> None:
        self.database = Database(str(url))
        self.data = data or _beside(self.database)
        self.blobs = Blobs(self.data / "blobs")
        self.suites = Suites(self.data / "suites")

    def add(self, folder: Path, *, committed: bool = False, scorer: Scorer = score_files) -> str:
        """Check, score and publish a run folder; returns its track. ResultError if it is not a valid result.

        The same result is stored only once; a new one supersedes those of the same method and track.
        committed: its id and its date follow from the bundle, so that every board and export has the same.
        scorer: scores the files of a bundle, in this process or in another.
        """
        paths = {name: folder / name for name in FILES if (folder / name).is_file()}
        for name, allowed in FILES.items():
            if allowed.required and name != ENTRY and name not in paths:
                raise ResultError(f"{name}: missing in {folder}; is it the folder of a finished run?")
        scored = scorer(paths)
        members = {name: path.read_bytes() for name, path in paths.items()}
        self.keep(members)
        digest = bundle_digest(members)
        with self.database.write() as session:
            alone(session)
            if session.scalar(select(Submission.id).where(Submission.digest == digest)) is None:
                self.keep(members)  # again: one may have been deleted since, `admin/orphans.py`
                at = scored.submission.created.astimezone(UTC) if committed else None
                row = insert(session, members, scored.submission, account=None, at=at)
                keep_scores(session, row.id, scored)
                reason = "committed to the repository" if committed else "added from a run folder here"
                publish(session, row, reason, at=at)
                audit.append(session, "administrator", "added", row.id, {"digest": digest})
        return track_of(scored.submission)

    def keep(self, members: Members) -> None:
        """Store the files of a bundle as blobs; those that are there already stay."""
        for content in members.values():
            self.blobs.put(content)

    def check_writable(self) -> None:
        """StoreError or OSError unless a result could be stored now."""
        self.database.check_writable()
        check_writable(self.blobs.folder)

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def insert(
    session: Session,
    members: Members,
    document: Document,
    *,
    account: int | None,
    at: datetime | None = None,
) -> Submission:
    """Insert a submission in state "received". The blobs of its files must be stored already.

    at: when it came, now by default; of that moment, and of its content, its id is made.
    """
    method = session.get(Method, document.method)
    if method is None:
        session.add(Method(name=document.method, account_id=account))
        session.flush()
    entry = members.get(ENTRY)
    digest = bundle_digest(members)
    moment = at or now()
    row = Submission(
        id=permanent_id(moment, digest) if at else new_id(),
        accepted=moment,
        digest=digest,
        account_id=account,
        method=document.method,
        track=track_of(document),
        state="received",
        tier="recomputed",
        document=members["submission.json"].decode(),
        entry=None if entry is None else entry.decode(),
    )
    row.files += [
        File(name=name, sha256=sha256, size=len(members[name])) for name, sha256 in hashes(members).items()
    ]
    row.events.append(Event(state="received", reason="complete and well-formed", at=moment))
    session.add(row)
    session.flush()
    return row


def enter(session: Session, row: Submission, state: str, reason: str, at: datetime | None = None) -> None:
    """Move a submission to a state and record the event, by default now; the reason is public."""
    row.state = state
    session.add(Event(submission_id=row.id, state=state, reason=reason, at=at or now()))


def keep_scores(session: Session, submission_id: str, scored: Scored, *, kind: str = "pinned") -> None:
    """Store the scores of a submission. kind: "pinned", or "fresh" for those of a challenge."""
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
                answers=packed(task.answers) if kind == "pinned" else None,
            )
        )
    shown: list[tuple[str, Mapping[str, Any]]]
    shown = [("architecture", scored.architectures), ("curve", scored.curves), ("gain", scored.gains)]
    if scored.recount is not None:
        shown.append(("recount", {EVERYWHERE: scored.recount._asdict()}))
    for part, details in shown:
        for name, detail in details.items():
            session.add(Detail(submission_id=submission_id, kind=part, task=name, text=json.dumps(detail)))


def publish(session: Session, row: Submission, reason: str, at: datetime | None = None) -> None:
    """Publish a submission, by default now; others of the same method and track are superseded."""
    session.execute(update(Submission).where(published_beside(row)).values(superseded=True))
    enter(session, row, "published", reason, at)


def published_beside(row: Submission) -> ColumnElement[bool]:
    """SQL condition: the other published submissions of the same method and track."""
    return (
        (Submission.track == row.track)
        & (Submission.method == row.method)
        & (Submission.state == "published")
        & (Submission.id != row.id)
    )


def _beside(database: Database) -> Path:
    """The default data folder."""
    if not database.sqlite:
        return Path("runs/leaderboard-data")
    path = Path(database.url.database or "leaderboard")
    return path.with_name(path.stem + "-data")
