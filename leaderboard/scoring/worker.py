"""Take jobs from the queue, score them in the sandbox, publish what holds. One thread of the server."""

import logging
import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select

from leaderboard.accounts import audit
from leaderboard.bundle.problem import BundleError
from leaderboard.scoring import jobs
from leaderboard.scoring.jobs import Lease
from leaderboard.scoring.ladder import kept_on_the_ladder
from leaderboard.scoring.plausible import doubts
from leaderboard.scoring.sandbox import Limits, Sandbox
from leaderboard.scoring.scores import Scored
from leaderboard.scoring.wire import ScorerDied
from leaderboard.store.models import File, Flag, Submission, now
from leaderboard.store.store import Store, enter, keep_scores, publish

log = logging.getLogger(__name__)


@dataclass
class Worker:
    """Works until `stop` is called. lease_seconds: after a kill, so long until another may take over."""

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
        self.sandbox.start()
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self.sandbox.close()

    def wake(self) -> None:
        """There is a new job."""
        self._wake.set()

    def once(self) -> bool:
        """Do one job; False if there was none."""
        with self.store.database.write() as session:
            held = jobs.lease(session, self.name, self.lease_seconds, now())
        if held is None:
            return False
        try:
            scored = self.sandbox.run(self._files(held))
        except BundleError as error:
            self._reject(held, error)
        except (ScorerDied, OSError, ValueError) as error:
            with self.store.database.write() as session:
                jobs.give_back(session, held, str(error)[:2000])
        else:
            self._publish(held, scored)
        return True

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

    def _files(self, held: Lease) -> dict[str, Path]:
        with self.store.database.read() as session:
            query = select(File.name, File.sha256).where(File.submission_id == held.submission)
            return {name: self.store.blobs.path(sha) for name, sha in session.execute(query)}

    def _reject(self, held: Lease, error: BundleError) -> None:
        with self.store.database.write() as session:
            if jobs.finish(session, held, str(error)):
                row = session.get_one(Submission, held.submission)
                enter(session, row, "rejected", str(error)[:4000])
                audit.append(session, "scorer", "rejected", row.id, {"reason": str(error)[:500]})

    def _publish(self, held: Lease, scored: Scored) -> None:
        with self.store.database.write() as session:
            if not jobs.finish(session, held, ""):
                return
            row = session.get_one(Submission, held.submission)
            keep_scores(session, row.id, scored)
            found = doubts(session, row, scored)
            session.add_all(Flag(submission_id=row.id, kind=kind, detail=detail) for kind, detail in found)
            if found:
                enter(session, row, "flagged", "; ".join(detail for _, detail in found))
            elif (best := kept_on_the_ladder(session, row, scored)) is not None:
                row.superseded = True
                enter(session, row, "published", f"no standard error better than {best}, which stays")
            else:
                publish(session, row, "scored")
            audit.append(session, "scorer", row.state, row.id, {"digest": row.digest})
