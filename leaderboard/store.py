"""The board's memory: accepted results and their recomputed scores, in SQLite through SQLAlchemy.

`Store.add` is the only way in. It reads a run folder with `result.read`, which checks everything and
recomputes every label, and writes the submission, its per-episode accuracies and its drawings in one
transaction. Nothing here imports torch. Next: `board.py` ranks what is stored.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ForeignKey, LargeBinary, create_engine, event, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from metanas.evaluation import result
from metanas.evaluation.result import Submission


class Base(DeclarativeBase):
    pass


class Row(Base):
    """One accepted submission. `document` is its submission.json, word for word."""

    __tablename__ = "submission"

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)  # SHA-256 of submission.json, which names the rest
    track: Mapped[str] = mapped_column(index=True)
    method: Mapped[str] = mapped_column(index=True)
    superseded: Mapped[bool] = mapped_column(default=False)
    document: Mapped[str]
    scores: Mapped[list["Score"]] = relationship(order_by="Score.id", cascade="all, delete-orphan")
    drawings: Mapped[list["Drawing"]] = relationship(order_by="Drawing.id", cascade="all, delete-orphan")

    @property
    def submission(self) -> Submission:
        return Submission.model_validate_json(self.document)


class Score(Base):
    """Recomputed accuracies of one task, (seeds, episodes) as little-endian float64."""

    __tablename__ = "score"

    id: Mapped[int] = mapped_column(primary_key=True)
    submission_id: Mapped[int] = mapped_column(ForeignKey("submission.id"))
    task: Mapped[str]
    seeds: Mapped[int]
    accuracies: Mapped[bytes] = mapped_column(LargeBinary)

    def array(self) -> NDArray[np.float64]:
        return np.frombuffer(self.accuracies, "<f8").reshape(self.seeds, -1)


class Drawing(Base):
    """The mean adapted choices of one task, an entry of architecture.json as JSON."""

    __tablename__ = "drawing"

    id: Mapped[int] = mapped_column(primary_key=True)
    submission_id: Mapped[int] = mapped_column(ForeignKey("submission.id"))
    task: Mapped[str]
    text: Mapped[str]


def track_of(submission: Submission) -> str:
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
    """An opened board. `path` is a file that is made if it is not there."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._engine = create_engine(f"sqlite:///{path}")
        event.listen(self._engine, "connect", _durable)
        event.listen(self._engine, "begin", _immediate)
        Base.metadata.create_all(self._engine)

    def add(self, folder: Path) -> str:
        """Check and store a run folder; returns its track. ResultError says what is wrong with it.

        The same result twice is stored once; a newer one of the same method and track supersedes.
        """
        checked = result.read(folder)
        document = (folder / result.SUBMISSION).read_text(encoding="utf-8")
        digest = hashlib.sha256(document.encode()).hexdigest()
        track = track_of(checked.submission)
        row = Row(digest=digest, track=track, method=checked.submission.method, document=document)
        for task, answers in checked.answers.items():
            content = np.ascontiguousarray(answers.accuracy, "<f8").tobytes()
            row.scores.append(Score(task=task, seeds=len(answers.accuracy), accuracies=content))
        row.drawings += _drawings(folder)
        with Session(self._engine) as session, session.begin():
            if session.scalar(select(Row.id).where(Row.digest == digest)) is None:
                older = (Row.track == track) & (Row.method == row.method)
                session.execute(update(Row).where(older).values(superseded=True))
                session.add(row)
        return track

    @contextmanager
    def current(self) -> Iterator[list[Row]]:
        """All submissions that none superseded, by track and method."""
        with Session(self._engine) as session:
            query = select(Row).where(~Row.superseded).order_by(Row.track, Row.method)
            yield list(session.scalars(query))

    def close(self) -> None:
        """Close the database file."""
        self._engine.dispose()


def _drawings(folder: Path) -> list[Drawing]:
    """From architecture.json, which is optional; ResultError if it is there and not readable."""
    path = folder / "architecture.json"
    if not path.exists():
        return []
    try:
        tasks: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["tasks"]
        return [Drawing(task=task, text=json.dumps(found)) for task, found in tasks.items()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise result.ResultError(f"architecture.json: not what metanas writes: {error!r}") from error


def _durable(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # we begin ourselves, see _immediate
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")


def _immediate(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
