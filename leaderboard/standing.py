"""What the board knows, as plain values: the one way by which pages, exports and the API read it.

Comes after `store/`; nothing behind it sees a database row. Values are frozen and can be kept; when
`revision` changes, something on the board did.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, selectinload

from leaderboard.store.models import Account, Challenge, Event, Submission
from leaderboard.store.store import Store
from metanas.evaluation.result import Submission as Document
from metanas.evaluation.result import Task


@dataclass(frozen=True)
class Happened:
    """A state that a submission entered."""

    at: datetime
    state: str
    reason: str


@dataclass(frozen=True)
class Challenged:
    """A commitment to code and weights, and when its fresh episodes were answered."""

    id: str
    commitment: str  # SHA-256
    committed: datetime
    answered: datetime


@dataclass(frozen=True)
class Standing:
    """One submission with its recomputed scores.

    accuracies: by task name, (S, E); empty until it is scored. fresh: the same on the episodes of the
    challenge it answered, which `challenge` is; empty and None if there was none.
    architectures, curves: by task name, the JSON that came in the bundle; with files and events only
    in what `one` and `history` give.
    entry: entry.json without the contact address; None for a run of one's own.
    """

    id: str
    method: str
    track: str
    state: str
    tier: str  # recomputed, challenged, reproduced
    superseded: bool
    accepted: datetime
    owner: str | None
    document: Document
    entry: Mapping[str, Any] | None
    accuracies: Mapping[str, NDArray[np.float64]]
    fresh: Mapping[str, NDArray[np.float64]]
    summaries: Mapping[str, Mapping[str, float]]
    architectures: Mapping[str, Mapping[str, Any]]
    curves: Mapping[str, Mapping[str, Any]]
    files: Mapping[str, tuple[str, int]]  # name -> (SHA-256, bytes)
    flags: tuple[tuple[str, str], ...]  # (kind, detail), not yet cleared
    events: tuple[Happened, ...]
    challenge: Challenged | None
    attempts: int  # submissions of this method on this track so far, this one included

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        return self.document.tasks


def revision(store: Store) -> int:
    """A number that grows whenever a submission enters a state."""
    with store.database.read() as session:
        return session.scalar(select(func.max(Event.id))) or 0


def shown_revision(store: Store) -> int:
    """A number that grows whenever something is published or withdrawn: what is ranked may have changed."""
    with store.database.read() as session:
        query = select(func.max(Event.id)).where(Event.state.in_(("published", "withdrawn")))
        return session.scalar(query) or 0


def tracks(store: Store) -> tuple[str, ...]:
    """The tracks that have something published, by name."""
    with store.database.read() as session:
        query = select(Submission.track).where(Submission.state == "published").distinct()
        return tuple(sorted(session.scalars(query)))


def current(store: Store, track: str | None = None) -> tuple[Standing, ...]:
    """Published and not superseded, by track and method; with their scores, for the rest see `one`."""
    wanted = (Submission.state == "published") & ~Submission.superseded
    return _read(store, wanted if track is None else wanted & (Submission.track == track), whole=False)


def published(store: Store, track: str) -> tuple[Standing, ...]:
    """The same with those that were superseded."""
    wanted = (Submission.state == "published") & (Submission.track == track)
    return _read(store, wanted, whole=False)


def history(store: Store, method: str) -> tuple[Standing, ...]:
    """All that was ever published of a method, oldest first."""
    shown = Submission.state.in_(("published", "withdrawn"))
    found = _read(store, (Submission.method == method) & shown)
    return tuple(sorted(found, key=lambda s: s.id))


def one(store: Store, submission_id: str) -> Standing | None:
    """A submission by its id, in whatever state it is."""
    return next(iter(_read(store, Submission.id == submission_id)), None)


def _read(store: Store, wanted: ColumnElement[bool], *, whole: bool = True) -> tuple[Standing, ...]:
    """A board of a thousand methods is ranked from scores alone; `whole` adds what one page shows."""
    rest = (Submission.details, Submission.files, Submission.events)
    with store.database.read() as session:
        query = (
            select(Submission)
            .where(wanted)
            .order_by(Submission.track, Submission.method, Submission.id)
            .options(selectinload(Submission.scores), selectinload(Submission.flags))
            .options(*(selectinload(part) for part in rest if whole))
        )
        rows = list(session.scalars(query))
        owners = {number: name for number, name in session.execute(select(Account.id, Account.name))}
        counts = select(Submission.track, Submission.method, func.count()).group_by(
            Submission.track, Submission.method
        )
        attempts = {(track, method): n for track, method, n in session.execute(counts)}
        challenges = _challenges(session, wanted)
    return tuple(
        _standing(
            row,
            owners.get(row.account_id or 0),
            attempts[row.track, row.method],
            challenges.get(row.id),
            whole=whole,
        )
        for row in rows
    )


def _challenges(session: Session, wanted: ColumnElement[bool]) -> dict[str, Challenged]:
    """The answered challenges of the wanted submissions, by submission."""
    answered = Challenge.state == "answered"
    rows = session.scalars(select(Challenge).join(Submission).where(wanted & answered))
    return {
        row.submission_id: Challenged(row.id, row.commitment, row.committed, row.answered)
        for row in rows
        if row.answered is not None
    }


def _standing(
    row: Submission, owner: str | None, attempts: int, challenge: Challenged | None, *, whole: bool
) -> Standing:
    entry = None if row.entry is None else json.loads(row.entry)
    return Standing(
        id=row.id,
        method=row.method,
        track=row.track,
        state=row.state,
        tier=row.tier,
        superseded=row.superseded,
        accepted=row.accepted,
        owner=owner,
        document=row.parsed,
        entry=None if entry is None else {k: v for k, v in entry.items() if k != "contact"},
        accuracies={s.task: s.accuracies() for s in row.scores if s.kind == "pinned"},
        fresh={s.task: s.accuracies() for s in row.scores if s.kind == "fresh"},
        summaries={s.task: json.loads(s.summary) for s in row.scores if s.kind == "pinned"},
        architectures=_details(row, "architecture") if whole else {},
        curves=_details(row, "curve") if whole else {},
        files={f.name: (f.sha256, f.size) for f in row.files} if whole else {},
        flags=tuple((f.kind, f.detail) for f in row.flags if f.cleared is None),
        events=tuple(_happened(row.events)) if whole else (),
        challenge=challenge,
        attempts=attempts,
    )


def _details(row: Submission, kind: str) -> dict[str, Any]:
    return {d.task: json.loads(d.text) for d in row.details if d.kind == kind}


def _happened(events: Iterable[Event]) -> Iterable[Happened]:
    return (Happened(event.at, event.state, event.reason) for event in events)
