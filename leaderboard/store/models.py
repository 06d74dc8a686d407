"""The tables of a board's database, the same on SQLite and PostgreSQL (SQLAlchemy 2).

The content of a submission never changes; every change of its state is a row of `event`. Its files are blobs
outside the database (`blobs.py`), its scores are rows of `score`. The schema changes only through
`migrations/`; a test compares them with these classes. Next: `database.py` opens a database.
"""

import os
import time
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from metanas.evaluation.result import Submission as Document

if TYPE_CHECKING:
    from metanas.evaluation.statistics import View

NAMES = {  # every constraint has a name, so that a migration can drop it on both databases
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Moment(TypeDecorator[datetime]):
    """Column type of a point in time: aware and in UTC, although SQLite does not store the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Python to database."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Database to Python."""
        return None if value is None else value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)


class Base(DeclarativeBase):
    """Base class of all tables."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {datetime: Moment, str: Text, bytes: LargeBinary}


def now() -> datetime:
    """The current time in UTC."""
    return datetime.now(UTC)


def new_id() -> str:
    """A UUID of version 7 (RFC 9562): ids sort by time, and their random part cannot be guessed."""
    return _version_7(time.time_ns() // 1_000_000, os.urandom(10))


def permanent_id(moment: datetime, digest: str) -> str:
    """The same of a moment and a SHA-256: a committed result has one id on every board, also in citations."""
    return _version_7(int(moment.timestamp() * 1000), bytes.fromhex(digest)[:10])


def _version_7(milliseconds: int, rest: bytes) -> str:
    number = (milliseconds % 2**48) << 80 | int.from_bytes(rest, "big")
    number = number & ~(0xF << 76) | 0x7 << 76
    return str(UUID(int=number & ~(0x3 << 62) | 0x2 << 62))


class Account(Base):
    """A person or group that submits. Quotas are per account."""

    __tablename__ = "account"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created: Mapped[datetime] = mapped_column(default=now)
    suspended: Mapped[datetime | None]  # since then its tokens are refused


class Token(Base):
    """An API token of an account. Only its SHA-256, `digest`, is stored."""

    __tablename__ = "token"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    label: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[str]  # space-separated: "submit read:own"
    created: Mapped[datetime] = mapped_column(default=now)
    expires: Mapped[datetime]
    revoked: Mapped[datetime | None]
    used: Mapped[datetime | None]
    account: Mapped[Account] = relationship()


class Method(Base):
    """A method name, owned by the account that submitted it first (None: local runs)."""

    __tablename__ = "method"

    name: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    created: Mapped[datetime] = mapped_column(default=now)


class Submission(Base):
    """An accepted bundle. `document` and `entry` are its submission.json and entry.json, unchanged."""

    __tablename__ = "submission"
    __table_args__ = (Index("ix_submission_place", "track", "method", "state"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    digest: Mapped[str] = mapped_column(unique=True)  # of the bundle, see `bundle_digest`
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    method: Mapped[str] = mapped_column(ForeignKey("method.name"))
    track: Mapped[str]
    state: Mapped[str]  # received, scoring, failed, rejected, flagged, published, withdrawn
    tier: Mapped[str]  # recomputed, challenged, reproduced
    superseded: Mapped[bool] = mapped_column(default=False)
    accepted: Mapped[datetime] = mapped_column(default=now)
    document: Mapped[str]
    entry: Mapped[str | None]  # none for a local run
    receipt: Mapped[str | None]  # JSON; none for a local run
    account: Mapped[Account | None] = relationship()
    files: Mapped[list["File"]] = relationship(order_by="File.name", cascade="all, delete-orphan")
    events: Mapped[list["Event"]] = relationship(order_by="Event.id", cascade="all, delete-orphan")
    scores: Mapped[list["Score"]] = relationship(order_by="Score.id", cascade="all, delete-orphan")
    details: Mapped[list["Detail"]] = relationship(order_by="Detail.id", cascade="all, delete-orphan")
    flags: Mapped[list["Flag"]] = relationship(order_by="Flag.id", cascade="all, delete-orphan")

    def accuracies(self, kind: str) -> "View":
        """Accuracies by task, (S, E), on the `pinned` or the `fresh` episodes; none before it is scored."""
        return {score.task: score.accuracies() for score in self.scores if score.kind == kind}

    @property
    def parsed(self) -> Document:
        """The content of submission.json, which was validated before it was stored."""
        return Document.model_validate_json(self.document)


class File(Base):
    """A file of a bundle; its content is the blob with this SHA-256."""

    __tablename__ = "file"

    submission_id: Mapped[str] = mapped_column(ForeignKey("submission.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(index=True)
    size: Mapped[int]


class Event(Base):
    """A submission entered a state: when and why. Rows never change; the newest holds the current state."""

    __tablename__ = "event"

    id: Mapped[int] = mapped_column(primary_key=True)
    submission_id: Mapped[str] = mapped_column(ForeignKey("submission.id"), index=True)
    at: Mapped[datetime] = mapped_column(default=now)
    state: Mapped[str]
    reason: Mapped[str]


class Score(Base):
    """Scores of one task. right: right answers per seed and episode, little-endian uint16 (S, E)."""

    __tablename__ = "score"
    __table_args__ = (UniqueConstraint("submission_id", "kind", "task"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    submission_id: Mapped[str] = mapped_column(ForeignKey("submission.id"))
    kind: Mapped[str]  # "pinned": the suite's episodes; "fresh": those of an answered challenge
    task: Mapped[str]
    seeds: Mapped[int]
    queries: Mapped[int]  # per episode, all classes together
    right: Mapped[bytes]
    summary: Mapped[str]  # JSON: log-loss, calibration error, ...
    answers: Mapped[bytes | None] = mapped_column(deferred=True)  # see `packed`; None in rows of 0003

    def accuracies(self) -> NDArray[np.float64]:
        """Accuracies (S, E), fractions of 1."""
        counts = np.frombuffer(self.right, "<u2").reshape(self.seeds, -1)
        return counts.astype(np.float64) / self.queries


def packed(answers: NDArray[np.uint8]) -> bytes:
    """Answers (S, N) for the column `Score.answers`: zlib of their bytes."""
    return zlib.compress(np.ascontiguousarray(answers, "u1").tobytes(), 1)


def unpacked(content: bytes, seeds: int) -> NDArray[np.uint8]:
    """What `packed` packed, (S, N) with S = seeds."""
    return np.frombuffer(zlib.decompress(content), "u1").reshape(seeds, -1)


class Detail(Base):
    """JSON that a page shows of one task beside its scores.

    kind: "architecture" or "curve"; "gain", whose `task` is a domain or all of them; "recount", of all.
    """

    __tablename__ = "detail"
    __table_args__ = (UniqueConstraint("submission_id", "kind", "task"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    submission_id: Mapped[str] = mapped_column(ForeignKey("submission.id"))
    kind: Mapped[str]
    task: Mapped[str]
    text: Mapped[str]


class Flag(Base):
    """A doubt about a submission that a reviewer has to clear (`scoring/plausibility.py`, disputes)."""

    __tablename__ = "flag"

    id: Mapped[int] = mapped_column(primary_key=True)
    submission_id: Mapped[str] = mapped_column(ForeignKey("submission.id"), index=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))  # who disputes; None: a check
    kind: Mapped[str]
    detail: Mapped[str]
    at: Mapped[datetime] = mapped_column(default=now)
    cleared: Mapped[datetime | None]


class Challenge(Base):
    """A challenge: the commitment to code and weights, and the fresh episodes to be answered.

    Their labels are not stored: they follow from the server's secret and this id (`challenge/sealing.py`).
    """

    __tablename__ = "challenge"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    submission_id: Mapped[str] = mapped_column(ForeignKey("submission.id"), index=True)
    commitment: Mapped[str]  # SHA-256 of code and weights
    tasks: Mapped[str]  # JSON: what was drawn, as in submission.json
    state: Mapped[str]  # drawing, open, answered
    committed: Mapped[datetime] = mapped_column(default=now)
    deadline: Mapped[datetime]
    episodes: Mapped[str | None]  # SHA-256 of the inputs, a blob; None until they are drawn
    answered: Mapped[datetime | None]
    predictions: Mapped[str | None] = mapped_column(unique=True)  # SHA-256 of the answers, a blob
    submission: Mapped[Submission] = relationship()


class Job(Base):
    """The scoring job of a submission, inserted in the transaction that accepts it (`scoring/jobs.py`)."""

    __tablename__ = "job"
    __table_args__ = (Index("ix_job_next", "state", "leased_until", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    submission_id: Mapped[str] = mapped_column(ForeignKey("submission.id"), unique=True)
    state: Mapped[str]  # waiting, leased, done, failed
    attempts: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str | None]
    leased_until: Mapped[datetime | None]
    log: Mapped[str] = mapped_column(default="")


class Attempt(Base):
    """A use of a quota, successful or not (`accounts/quota.py`)."""

    __tablename__ = "attempt"
    __table_args__ = (Index("ix_attempt_count", "account_id", "kind", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    kind: Mapped[str]  # of quota: "submission", "challenge", "dispute", "answer"
    at: Mapped[datetime] = mapped_column(default=now)


class Idempotency(Base):
    """The submission that an account's idempotency key belongs to, so that a retry does not submit again."""

    __tablename__ = "idempotency"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]  # of the bundle it was used for
    submission_id: Mapped[str] = mapped_column(ForeignKey("submission.id"))


class Audit(Base):
    """A link of the audit chain: hash = SHA-256(previous hash + record) (`store/audit.py`)."""

    __tablename__ = "audit"

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    record: Mapped[str]  # canonical JSON: seq, at, actor, action, subject, detail
    hash: Mapped[str] = mapped_column(unique=True)
