"""The worker thread of the server: take jobs from the queue, score them in the sandbox, publish or flag them.

Before it: `jobs.py` (the queue), `sandbox.py` (scoring). What it stores: `store/store.py`.
"""

import logging
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select

from leaderboard.bundle.problem import BundleError
from leaderboard.bundle.scores import Scored
from leaderboard.scoring import jobs
from leaderboard.scoring.jobs import Lease
from leaderboard.scoring.ladder import kept_on_the_ladder
from leaderboard.scoring.plausibility import doubts
from leaderboard.scoring.sandbox import Limits, Sandbox
from leaderboard.scoring.transport import ScorerDied
from leaderboard.store import audit
from leaderboard.store.models import File, Flag, Submission, now
from leaderboard.store.store import Store, enter, keep_scores, publish
from leaderboard.store.visibility import STAYED
from metanas.evaluation.result import SUBMISSION, parse

STOP_SECONDS = 2.5
log = logging.getLogger(__name__)


@dataclass
class Worker:
    """Scores submissions in a thread, from `start` to `stop`.

    lease_seconds: how long a job is leased; after a kill another worker takes over when it has run out.
    idle_seconds: time between two looks at an empty queue.
    """

    store: Store
    limits: Limits = Limits()
    lease_seconds: float = 60.0
    idle_seconds: float = 0.5
    name: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self.sandbox = Sandbox(self.limits)
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scorer", daemon=True)

    def start(self) -> None:
        """Start the sandbox and the thread."""
        self.sandbox.start()
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close the sandbox. A job has STOP_SECONDS to finish; else it is done again."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)
        self.sandbox.close()

    def wake(self) -> None:
        """Look at the queue now: there is a new job."""
        self._wake.set()

    def once(self) -> bool:
        """Score one job and store the outcome; False if no job was free."""
        with self.store.database.write() as session:
            leased = jobs.lease(session, self.name, self.lease_seconds, now())
        if leased is None:
            return False
        try:
            scored = self.score(self._files(leased))
        except BundleError as error:
            self._reject(leased, error)
        except (ScorerDied, OSError, ValueError) as error:
            with self.store.database.write() as session:
                jobs.give_back(session, leased, str(error)[:2000])
        else:
            self._publish(leased, scored)
        return True

    def score(self, files: Mapping[str, Path]) -> Scored:
        """Score the files of a bundle, by name, in the sandbox. Errors as there, or of `parse`.

        The scorer gets the suite with them, if it is one that was added to this board.
        """
        name = parse(files[SUBMISSION].read_bytes()).suite
        suite = self.store.suites.find(name) if name in self.store.suites.added() else None
        return self.sandbox.run(files, suite=None if suite is None else suite.model_dump_json().encode())

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                busy = self.once()
            except Exception:  # the queue must go on; the job's lease runs out and it is tried again
                log.exception("a job stopped the worker's turn")
                busy = False
            if not busy:
                self._wake.wait(self.idle_seconds)
                self._wake.clear()

    def _files(self, leased: Lease) -> dict[str, Path]:
        with self.store.database.read() as session:
            query = select(File.name, File.sha256).where(File.submission_id == leased.submission)
            return {name: self.store.blobs.path(sha) for name, sha in session.execute(query)}

    def _reject(self, leased: Lease, error: BundleError) -> None:
        with self.store.database.write() as session:
            if jobs.finish(session, leased, str(error)):
                row = session.get_one(Submission, leased.submission)
                enter(session, row, "rejected", str(error)[:4000])
                audit.append(session, "scorer", "rejected", row.id, {"reason": str(error)[:500]})

    def _publish(self, leased: Lease, scored: Scored) -> None:
        """Store scores; flag a doubtful submission, else publish it, as current one if the ladder allows."""
        with self.store.database.read() as session:  # compared with a thousand others: not while others wait
            flags = doubts(session, session.get_one(Submission, leased.submission), scored)
        with self.store.database.write() as session:
            if not jobs.finish(session, leased, ""):
                return
            row = session.get_one(Submission, leased.submission)
            keep_scores(session, row.id, scored)
            session.add_all(Flag(submission_id=row.id, kind=kind, detail=detail) for kind, detail in flags)
            if flags:
                enter(session, row, "flagged", "; ".join(detail for _, detail in flags))
            elif (best := kept_on_the_ladder(session, row, scored)) is not None:
                row.superseded = True
                enter(session, row, "published", f"{STAYED} {best}, which stays")
            else:
                publish(session, row, "scored")
            audit.append(session, "scorer", row.state, row.id, {"digest": row.digest})
