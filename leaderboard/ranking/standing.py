"""Submissions with their scores as plain, frozen values, read from the store for pages, exports and the API.

Comes after `store/`; code that uses these values sees no database row and may cache them until `revision`
changes. Next: `board.py` ranks them.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, aliased, selectinload

from leaderboard.accounts.disputes import RAISED
from leaderboard.challenge.outcome import Outcome, outcome
from leaderboard.store import visibility
from leaderboard.store.models import Account, Challenge, Detail, Event, Submission
from leaderboard.store.store import Store
from metanas.evaluation import pretraining
from metanas.evaluation.gains import EVERYWHERE, Gain
from metanas.evaluation.result import Submission as Document
from metanas.evaluation.result import Task
from metanas.evaluation.statistics import Interval


@dataclass(frozen=True)
class Happened:
    """An event of a submission: the state it entered, when and why."""

    at: datetime
    state: str
    reason: str


@dataclass(frozen=True)
class Challenged:
    """An answered challenge: the commitment to code and weights, and when its episodes were answered."""

    id: str
    commitment: str  # SHA-256
    committed: datetime
    answered: datetime


@dataclass(frozen=True)
class Standing:
    """One submission with its recomputed scores.

    accuracies: by task name, (S, E): seeds, episodes; empty until it is scored.
    fresh: the same on the episodes of its answered `challenge`; empty and None if there is none.
    architectures, curves: by task name, from the bundle; gains: by domain, see `bundle.scores.gains`. These,
    `files` and `events` are filled by `one` and `history` only, but for the gain on all domains together.
    recounted_macs: of a query, from its architectures (`bundle/recount.py`); None where that is not possible.
    entry: entry.json without the contact address; None for a local run.
    led: when it took its method's place on the board, oldest first; never, where the one before stayed.
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
    gains: Mapping[str, Mapping[str, Any]]
    recounted_macs: int | None
    files: Mapping[str, tuple[str, int]]  # name -> (SHA-256, bytes)
    flags: tuple[tuple[str, str], ...]  # (kind, detail), not yet cleared
    events: tuple[Happened, ...]
    challenge: Challenged | None
    attempts: int  # number of submissions of this method on this track
    led: tuple[datetime, ...]
    public: bool  # everyone may see it (`store/visibility.py`)

    @cached_property
    def outcome(self) -> Outcome | None:
        """Fresh against pinned accuracy of its answered challenge; None if there is none."""
        return outcome(self.accuracies, self.fresh)

    @property
    def macs(self) -> int | None:
        """Multiply-accumulates of one query: recounted, or else as declared; None if it is neither."""
        return self.document.costs.predict_macs if self.recounted_macs is None else self.recounted_macs

    @property
    def weights(self) -> str:
        """Its backbone with weights from elsewhere, and their hash; empty if it has none."""
        return pretraining.shown(self.document)

    @property
    def marks(self) -> tuple[tuple[str, str], ...]:
        """The flags that mark it on the board: all but disputes without weight (`accounts/disputes.py`)."""
        return tuple(flag for flag in self.flags if flag[0] != RAISED)

    @cached_property
    def gain(self) -> Gain | None:
        """The architecture gain on all domains together; None if the bundle does not say it."""
        return self.figure("gain")

    def figure(self, name: str) -> Gain | None:
        """A figure of `evaluation/gains.py` on all domains together; None if the bundle does not say it."""
        found = self.gains.get(EVERYWHERE, {}).get(name)
        if found is None:
            return None
        interval = Interval(found["mean"], found["low"], found["high"], found["how"])
        return Gain(self.method, EVERYWHERE, name, interval, found["p"])

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks of submission.json."""
        return self.document.tasks


def revision(store: Store) -> int:
    """A number that grows whenever a submission enters a state."""
    with store.database.read() as session:
        return session.scalar(select(func.max(Event.id))) or 0


def shown_revision(store: Store) -> int:
    """A number that grows whenever a page may change: something is published, flagged, rejected.

    How many events there are, and not the newest one's number: PostgreSQL numbers them before their
    transactions end, in another order.
    """
    with store.database.read() as session:
        return session.scalar(select(func.count(Event.id)).where(~visibility.CHANGES_NOTHING)) or 0


def shown_revisions(store: Store) -> dict[str, int]:
    """The same of every track."""
    with store.database.read() as session:
        query = select(Submission.track, func.count(Event.id)).join(Submission)
        query = query.where(~visibility.CHANGES_NOTHING).group_by(Submission.track)
        return {track: events for track, events in session.execute(query)}


def tracks(store: Store) -> tuple[str, ...]:
    """The tracks with a published submission, sorted by name."""
    with store.database.read() as session:
        query = select(Submission.track).where(visibility.PUBLISHED).distinct()
        return tuple(sorted(session.scalars(query)))


def documents(store: Store) -> dict[str, Document]:
    """A submission.json of every track with a published submission, sorted by track: its tasks and budget."""
    with store.database.read() as session:
        query = select(Submission.track, func.min(Submission.document)).where(visibility.PUBLISHED)
        rows = session.execute(query.group_by(Submission.track).order_by(Submission.track)).all()
    return {track: Document.model_validate_json(text) for track, text in sorted(map(tuple, rows))}


def home_track(store: Store) -> str | None:
    """The track of the first page where the administrator chose none; None if nothing is published.

    Of those by training operations, as soon as one has two methods to compare, else of all, the one with the
    most methods that the administrator added (the committed results, local runs), of equals the oldest: what
    others submit does not change it.
    """
    with store.database.read() as session:
        theirs = func.count().filter(Submission.account_id.is_(None))
        query = select(Submission.track, theirs, func.min(Submission.document))
        query = query.where(visibility.ON_BOARD).group_by(Submission.track)
        tracks = session.execute(query.order_by(theirs.desc(), func.min(Submission.id))).all()
    by_operations = (
        track
        for track, methods, document in tracks
        if methods > 1 and "flops" in Document.model_validate_json(document).budget
    )
    return next(by_operations, tracks[0][0] if tracks else None)


def current(store: Store, track: str | None = None) -> tuple[Standing, ...]:
    """Published submissions that are not superseded, sorted by track and method."""
    condition = visibility.ON_BOARD
    if track is not None:
        condition = condition & (Submission.track == track)
    return _read(store, condition, whole=False)


class Place(NamedTuple):
    """A current submission and what says whether something about it has changed since."""

    id: str
    tier: str  # as stored: a challenge that was not held may be stored as "challenged" by an earlier version
    owner: int | None
    events: int  # how many it has
    attempts: int


def page(
    store: Store, *, track: str | None, tier: str | None, after: str | None, limit: int
) -> tuple[tuple[Place, ...], str | None]:
    """Some of `current`, by id: at most `limit` after that id, and the id to go on after; None at the end.

    A page may have some of another tier, see `Place.tier`.
    """
    condition = visibility.ON_BOARD
    for wanted in (
        Submission.track == track if track is not None else None,
        Submission.id > after if after is not None else None,
        Submission.tier.in_({tier, "challenged"} if tier == "recomputed" else {tier}) if tier else None,
    ):
        condition = condition if wanted is None else condition & wanted
    with store.database.read() as session:
        same = aliased(Submission)
        beside = (same.track == Submission.track) & (same.method == Submission.method)
        attempts = select(func.count()).where(beside).correlate(Submission).scalar_subquery()
        events = select(func.count()).where(Event.submission_id == Submission.id).scalar_subquery()
        columns = (Submission.id, Submission.tier, Submission.account_id, events, attempts)
        query = select(*columns).where(condition).order_by(Submission.id).limit(limit + 1)
        places = tuple(Place(*row) for row in session.execute(query))
    return places[:limit], places[limit - 1].id if len(places) > limit else None


def several(store: Store, ids: Collection[str]) -> tuple[Standing, ...]:
    """The submissions with these ids, in any state."""
    return _read(store, Submission.id.in_(ids), whole=False)


def published(store: Store, track: str) -> tuple[Standing, ...]:
    """All published submissions of a track, superseded ones included, sorted by method."""
    return _read(store, visibility.PUBLISHED & (Submission.track == track), whole=False)


def at_end_of(published: Sequence[Standing], day: date) -> tuple[Standing, ...]:
    """Of every method the submission that was on the board at the end of that day (UTC), sorted by method.

    What has been withdrawn since is left out.
    """
    end = datetime.combine(day + timedelta(days=1), time(), UTC)
    took = sorted((at, s.id, s) for s in published for at in s.led if at < end)
    last = {s.method: s for _, _, s in took}
    return tuple(last[method] for method in sorted(last))


def history(store: Store, method: str) -> tuple[Standing, ...]:
    """All submissions of a method that are or were published, oldest first."""
    standings = _read(store, (Submission.method == method) & visibility.PUBLIC)
    return tuple(sorted(standings, key=lambda s: s.id))


def one(store: Store, submission_id: str) -> Standing | None:
    """A submission by its id, in any state; None if there is none."""
    return next(iter(_read(store, Submission.id == submission_id)), None)


def _read(store: Store, condition: ColumnElement[bool], *, whole: bool = True) -> tuple[Standing, ...]:
    """The submissions that fulfil a condition.

    whole: with architectures, curves, gains, files and events, which a ranking of a thousand methods does not
    need.
    """
    rest = (Submission.details, Submission.files, Submission.events)
    with store.database.read() as session:
        query = (
            select(Submission, visibility.PUBLIC)
            .where(condition)
            .order_by(Submission.track, Submission.method, Submission.id)
            .options(selectinload(Submission.scores), selectinload(Submission.flags))
            .options(*(selectinload(part) for part in rest if whole))
        )
        rows = [(row, bool(public)) for row, public in session.execute(query)]
        accounts = {row.account_id for row, _ in rows if row.account_id is not None}
        named = select(Account.id, Account.name).where(Account.id.in_(accounts))
        owners = {number: name for number, name in session.execute(named)}
        counts = select(Submission.track, Submission.method, func.count())
        counts = counts.where(Submission.method.in_({row.method for row, _ in rows}))
        counts = counts.group_by(Submission.track, Submission.method)
        attempts = {(track, method): n for track, method, n in session.execute(counts)}
        challenges = _challenges(session, condition)
        overall = _overall(session, condition)
        led = _led(session, condition)
    return tuple(
        _standing(
            row,
            owners.get(row.account_id or 0),
            attempts[row.track, row.method],
            challenges.get(row.id),
            public=public,
            gains=_details(row, "gain") if whole else overall["gain"].get(row.id, {}),
            recounted_macs=overall["recount"].get(row.id, {}).get(EVERYWHERE, {}).get("macs"),
            led=tuple(led.get(row.id, ())),
            whole=whole,
        )
        for row, public in rows
    )


def _overall(session: Session, condition: ColumnElement[bool]) -> dict[str, dict[str, dict[str, Any]]]:
    """The details "gain" and "recount" of all domains together, by kind and submission id, as in `gains`."""
    found: dict[str, dict[str, dict[str, Any]]] = {"gain": {}, "recount": {}}
    query = select(Detail.kind, Detail.submission_id, Detail.text).join(Submission)
    query = query.where(condition & Detail.kind.in_(found) & (Detail.task == EVERYWHERE))
    for kind, identity, text in session.execute(query):
        found[kind][identity] = {EVERYWHERE: json.loads(text)}
    return found


def _led(session: Session, condition: ColumnElement[bool]) -> dict[str, list[datetime]]:
    """When the submissions that fulfil a condition took their places on the board, by id."""
    own = aliased(Event)  # the condition may ask for events, too
    query = select(own.submission_id, own.at, own.state, own.reason).join(Submission)
    found: dict[str, list[datetime]] = {}
    before: dict[str, str] = {}
    for identity, at, state, reason in session.execute(query.where(condition).order_by(own.id)):
        again, stayed = (reason.startswith(words) for words in (visibility.BACK, visibility.STAYED))
        first = before.get(identity) != "published" and not stayed
        if state == "published" and (again or first):
            found.setdefault(identity, []).append(at)
        before[identity] = state
    return found


def _challenges(session: Session, condition: ColumnElement[bool]) -> dict[str, Challenged]:
    """The answered challenges of the submissions that fulfil a condition, by submission id."""
    answered = Challenge.state == "answered"
    rows = session.scalars(select(Challenge).join(Submission).where(condition & answered))
    return {
        row.submission_id: Challenged(row.id, row.commitment, row.committed, row.answered)
        for row in rows
        if row.answered is not None
    }


def _standing(
    row: Submission,
    owner: str | None,
    attempts: int,
    challenge: Challenged | None,
    *,
    public: bool,
    gains: Mapping[str, Mapping[str, Any]],
    recounted_macs: int | None,
    led: tuple[datetime, ...],
    whole: bool,
) -> Standing:
    entry = None if row.entry is None else json.loads(row.entry)
    pinned, fresh = row.accuracies("pinned"), row.accuracies("fresh")
    answered = outcome(pinned, fresh) if row.tier == "challenged" else None
    return Standing(
        id=row.id,
        method=row.method,
        track=row.track,
        state=row.state,
        tier="recomputed" if answered is not None and not answered.held else row.tier,
        superseded=row.superseded,
        accepted=row.accepted,
        owner=owner,
        document=row.parsed,
        entry=None if entry is None else {k: v for k, v in entry.items() if k != "contact"},
        accuracies=pinned,
        fresh=fresh,
        summaries={s.task: json.loads(s.summary) for s in row.scores if s.kind == "pinned"},
        architectures=_details(row, "architecture") if whole else {},
        curves=_details(row, "curve") if whole else {},
        gains=gains,
        recounted_macs=recounted_macs,
        files={f.name: (f.sha256, f.size) for f in row.files} if whole else {},
        flags=tuple((f.kind, f.detail) for f in row.flags if f.cleared is None),
        events=tuple(_happened(row.events)) if whole else (),
        challenge=challenge,
        attempts=attempts,
        led=led,
        public=public,
    )


def _details(row: Submission, kind: str) -> dict[str, Any]:
    return {d.task: json.loads(d.text) for d in row.details if d.kind == kind}


def _happened(events: Iterable[Event]) -> Iterable[Happened]:
    return (Happened(event.at, event.state, event.reason) for event in events)
