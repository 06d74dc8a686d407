"""Abuse of a served board by CLIENTS at once, and what visitors notice of it: times and resident memory.

    python -m tests.benchmarks.board_abuse [SECONDS]

One server as `metanas leaderboard serve` starts it, on the loopback, in a folder of its own. For each kind of
abuse, SECONDS (5) of it by CLIENTS threads, while a visitor asks for /healthz and the first page. Goals:
/healthz p99 at most 100 ms, the first page p95 at most 200 ms, resident memory at most 500 MB.
"""

import re
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import psutil

from leaderboard.accounts import tokens
from leaderboard.store.store import Store
from tests.leaderboard import bundles

CLIENTS = 50


class Board:
    """A served board with the committed results, and a token."""

    def __init__(self, folder: Path) -> None:
        store = Store(folder / "board.db")
        with store.database.write() as session:
            self.token = tokens.issue(session, "mallory", "", ("submit",), 1)[0]
        store.close()
        words = ["leaderboard", "serve", "--db", str(folder / "board.db"), "--port", "0"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "metanas", *words], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        self.port = int(self.url.rpartition(":")[2])
        self.track = re.findall(r'href="([^"/]+)/index.html"', httpx.get(self.url).text)[0]
        self.bundle = bundles.zipped(folder / "run", "flood", budget="small")
        self.headers = {"Authorization": f"Bearer {self.token}"}

    @property
    def resident(self) -> float:
        """Resident memory of the server's process in MB."""
        return psutil.Process(self.process.pid).memory_info().rss / 1e6

    def over_quota(self, number: int) -> None:
        """A bundle by an account whose quota is used up after the first ten."""
        headers = {
            **self.headers,
            "Content-Type": "application/zip",
            "Idempotency-Key": secrets.token_hex(8),
        }
        httpx.post(f"{self.url}/api/v1/submissions", content=self.bundle, headers=headers, timeout=60)

    def challenges(self, number: int) -> None:
        """A challenge of the flood's submission, whatever comes of it."""
        rows = httpx.get(f"{self.url}/api/v1/submissions", headers=self.headers).json()["submissions"]
        body = {"submission": rows[0]["id"] if rows else "0" * 36, "commitment": "a" * 64}
        httpx.post(f"{self.url}/api/v1/challenges", json=body, headers=self.headers, timeout=60)

    def past(self, number: int) -> None:
        """The board of a day of the past, or of one to come."""
        day = datetime.now(UTC).date() + timedelta(days=number % 400 - 200)
        httpx.get(f"{self.url}/{self.track}/index.html", params={"as_of": str(day)}, timeout=60)

    def headers_without_end(self, number: int) -> None:
        """Header bytes until the server has enough of them."""
        with socket.create_connection(("127.0.0.1", self.port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\na: ")
            for _ in range(200):
                client.sendall(b"x" * 65_536)

    def slow_headers(self, number: int) -> None:
        """A connection that sends a byte a second."""
        with socket.create_connection(("127.0.0.1", self.port)) as client:
            for letter in b"GET / HTTP/1.1\r\n":
                client.sendall(bytes([letter]))
                time.sleep(1)

    def everything(self, number: int) -> None:
        """The whole leaderboard through the API, a row at a time."""
        httpx.get(f"{self.url}/api/v1/leaderboard", params={"limit": 1}, timeout=60)


def measured(board: Board, abuse: Callable[[int], None], seconds: float) -> str:
    """A line of figures: what a visitor sees while CLIENTS do the abuse."""
    over = threading.Event()

    def client(first: int) -> None:
        number = first
        while not over.is_set():
            with suppress(httpx.HTTPError, OSError):
                abuse(number)
            number += CLIENTS

    threads = [threading.Thread(target=client, args=(i,), daemon=True) for i in range(CLIENTS)]
    for thread in threads:
        thread.start()
    times: dict[str, list[float]] = {"/healthz": [], "/": []}
    end = time.monotonic() + seconds
    with httpx.Client(base_url=board.url, timeout=60) as visitor:
        while time.monotonic() < end:
            for address, found in times.items():
                begin = time.monotonic()
                assert visitor.get(address).status_code == 200
                found.append(1000 * (time.monotonic() - begin))
    over.set()
    health, home = np.percentile(times["/healthz"], 99), np.percentile(times["/"], 95)
    count = len(times["/"])
    return f"healthz p99 {health:.0f} ms, home p95 {home:.0f} ms of {count}, {board.resident:.0f} MB"


def main(seconds: float) -> None:
    """Print a line for each kind of abuse."""
    with tempfile.TemporaryDirectory() as folder:
        board = Board(Path(folder))
        try:
            kinds = ("over_quota", "challenges", "past", "headers_without_end", "slow_headers", "everything")
            for name in kinds:
                print(f"{name:20} {measured(board, getattr(board, name), seconds)}", flush=True)
        finally:
            begin = time.monotonic()
            board.process.terminate()
            board.process.wait()
            print(f"stopped within {time.monotonic() - begin:.1f} s")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)
