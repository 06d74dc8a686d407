"""Kill a server at random moments while it is submitted to, start it again, and look at what is left.

The servers are forked from a process that has imported everything (`killable.py`), so that a kill can hit any
moment of their lives. The client sends bundle after bundle and, as a careful
client does, repeats a request without an answer with the same key.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from sqlalchemy import func, select

from leaderboard.accounts import receipts, tokens
from leaderboard.bundle.names import Members
from leaderboard.scoring import jobs
from leaderboard.store import audit
from leaderboard.store.models import Event, File, Idempotency, Job, Score, Submission
from leaderboard.store.store import Store
from tests.leaderboard.bundles import numbered
from tests.ports import free_port

ASKED = (
    2_000  # times whether a server is ready: not by the clock, since a machine may halt the whole campaign
)


@dataclass
class Report:
    """What a campaign saw."""

    kills: int = 0
    acknowledged: dict[str, str] = field(default_factory=dict)  # id -> receipt
    repeated: int = 0  # requests without an answer that were sent again
    restarts: list[float] = field(default_factory=list)  # seconds from start to ready
    given_up: int = 0  # jobs whose workers were killed too often, which an administrator restarted

    def __str__(self) -> str:
        slowest = max(self.restarts)
        return (
            f"{self.kills} kills, {len(self.acknowledged)} acknowledged submissions, none lost, none scored "
            f"twice; {self.repeated} requests repeated, {self.given_up} jobs given up after three killed "
            f"workers and scored on request; slowest restart {slowest:.2f} s"
        )


class Campaign:
    """One database, one data folder, many deaths."""

    def __init__(self, db: str, data: Path, files: Members, seed: int) -> None:
        self._db, self._data, self._files = db, data, files
        self._random = random.Random(seed)
        self._mother = subprocess.Popen(
            [sys.executable, "-m", "tests.leaderboard.killable"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._port = free_port()
        self._stop, self._over = threading.Event(), threading.Event()
        self.report = Report()
        store = Store(db, data)
        with store.database.write() as session:
            self._token = tokens.issue(session, "ada", "", ("submit",), 1)[0]
        store.close()

    def run(self, kills: int) -> Report:
        """Kill so many servers, then let one live until all is scored, and check everything."""
        client = threading.Thread(target=self._submit)
        self._start()
        client.start()
        try:
            for _ in range(kills):
                time.sleep(self._random.uniform(0.02, 0.5))
                os.kill(self._server, signal.SIGKILL)
                self.report.kills += 1
                self._start()
            self._stop.set()
            client.join()
            self._drain()
        finally:
            self._end()
        self._check()
        return self.report

    def _end(self) -> None:
        """Leave no process behind, also after a failure."""
        self._stop.set()
        self._over.set()
        os.kill(self._server, signal.SIGKILL)
        assert self._mother.stdin and self._mother.stdout
        self._mother.stdin.close()
        self._mother.stdout.close()
        self._mother.wait()

    def _start(self) -> None:
        started = time.monotonic()
        assert self._mother.stdin and self._mother.stdout
        about = {"db": self._db, "data": str(self._data), "port": self._port}
        self._mother.stdin.write(json.dumps(about) + "\n")
        self._mother.stdin.flush()
        self._server = int(self._mother.stdout.readline())
        for _ in range(ASKED):
            try:
                if httpx.get(f"http://127.0.0.1:{self._port}/readyz", timeout=5).status_code == 200:
                    self.report.restarts.append(time.monotonic() - started)
                    return
            except httpx.HTTPError:
                time.sleep(0.01)
        raise TimeoutError(f"the server is not ready after {time.monotonic() - started:.0f} s")

    def _submit(self) -> None:
        number = 0
        with httpx.Client(base_url=f"http://127.0.0.1:{self._port}/api/v1", timeout=30) as client:
            while not self._stop.is_set():
                number += 1
                bundle = numbered(self._files, number)
                headers = {
                    "Authorization": f"Bearer {self._token}",
                    "Idempotency-Key": f"bundle-{number}",
                    "Content-Type": "application/zip",
                }
                while True:
                    try:
                        answer = client.post("/submissions", content=bundle, headers=headers)
                        break
                    except httpx.HTTPError:
                        if self._over.is_set():
                            return
                        self.report.repeated += 1
                        time.sleep(0.01)
                assert answer.status_code == 202, answer.text
                self.report.acknowledged[answer.json()["id"]] = json.dumps(answer.json()["receipt"])
                time.sleep(0.15)  # leave the worker some time: what is counted is kills, not bundles

    def _drain(self) -> None:
        store = Store(self._db, self._data)
        end = time.monotonic() + 120
        while time.monotonic() < end:
            with store.database.write() as session:
                given_up = list(session.scalars(select(Job).where(Job.state == "failed")))
                for job in given_up:
                    assert "workers did not come back" in job.log, job.log
                    assert jobs.restart(session, job.submission_id)
                self.report.given_up += len(given_up)
                left = session.scalar(select(func.count()).where(Job.state != "done"))
            if not left:
                break
            time.sleep(0.1)
        store.close()

    def _check(self) -> None:
        store = Store(self._db, self._data)
        with store.database.read() as session:
            states = {id: state for id, state in session.execute(select(Submission.id, Submission.state))}
            lost = [identity for identity in self.report.acknowledged if identity not in states]
            assert not lost, f"acknowledged and lost: {lost}"
            assert set(states.values()) == {"published"}, Counter(states.values())
            assert set(states) == set(self.report.acknowledged), "every key has one submission"
            assert session.scalar(select(func.count()).select_from(Idempotency)) == len(states)
            published = select(Event.submission_id).where(Event.state == "published")
            assert Counter(session.scalars(published)) == Counter(list(states)), "published once each"
            tasks = Counter(session.scalars(select(Score.submission_id)))
            assert set(tasks.values()) == {6} and len(tasks) == len(states), "scored once each"
            links = audit.verify(session)
            assert links == 2 * len(states) + 1, "one link for accepting, one for publishing; and the token"
            for sha in set(session.scalars(select(File.sha256))):
                store.blobs.get(sha)
        key = receipts.ServerKey.open(store.data / receipts.KEY).public
        for identity, receipt in self.report.acknowledged.items():
            assert receipts.verify(receipt, key)["submission_id"] == identity
        store.close()
