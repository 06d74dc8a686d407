"""A board of 1,000 methods while 50 clients abuse it: python -m tests.benchmarks.board_abuse [KIND...]

Each kind of abuse runs for SECONDS against a server of its own, `metanas leaderboard serve` on loopback, from
another process with CLIENTS threads. Meanwhile two more processes ask for /healthz and the first page, and
the resident memory is looked at. Every abuse is bounded in time and in what it sends. Five minutes.
"""

import os
import random
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import numpy as np
import psutil

from leaderboard.accounts import tokens
from leaderboard.accounts.quota import DEFAULT
from leaderboard.store.models import Attempt, Method, Submission, now
from leaderboard.store.store import Store
from leaderboard.web import links
from tests.benchmarks.bench_pages import fill, wait_for
from tests.benchmarks.board_machine import machine
from tests.leaderboard import bundles
from tests.ports import free_port

CLIENTS, SECONDS = 50, 12.0
HEALTH_MS, HOME_MS, RSS_MB, STOP_S = 100, 200, 500, 10


@dataclass(frozen=True)
class Target:
    """A server to abuse. owned: (token, id of a published submission) of accounts; spent: over its quota."""

    port: int
    track: str
    owned: tuple[tuple[str, str], ...]
    spent: str
    bundle: bytes

    def connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=60)


Abuse = Callable[[Target, int, random.Random], Iterator[str]]  # yields what came of each request


def asking(paths: Callable[[Target, random.Random], str]) -> Abuse:
    """GET one address after the other, over a kept connection."""

    def abuse(target: Target, client: int, rng: random.Random) -> Iterator[str]:
        connection = target.connect()
        while True:
            connection.request("GET", paths(target, rng))
            answer = connection.getresponse()
            answer.read()
            yield str(answer.status)

    return abuse


def _board(target: Target, page: str) -> str:
    return f"/{links.board(target.track, page)}"


def _day(target: Target, rng: random.Random) -> str:
    odd = ("9999-12-31", "0001-01-01", (date.today() + timedelta(days=rng.randrange(1, 900))).isoformat())
    past = (date.today() - timedelta(days=rng.randrange(400))).isoformat()
    return _board(target, f"index.html?as_of={rng.choice((*odd, past, past, past))}")


def _task(target: Target, rng: random.Random) -> str:
    task = rng.choice(("digits-5w1s", "digits-5w5s", "langid-5w1s", "spoken-words-5w5s"))
    return _board(target, f"tasks/{links.slug(task)}.html?x={rng.random()}")


def _comparison(target: Target, rng: random.Random) -> str:
    names = [f"method-{rng.randrange(1000):04d}" for _ in range(rng.randrange(2, 7))]
    if rng.random() < 0.3:
        return _board(target, f"significance.html?baseline={names[0]}")
    return _board(target, "compare.html?" + "&".join(f"m={name}" for name in names))


def _filter(target: Target, rng: random.Random) -> str:
    column = rng.choice(("mean", "date", "worst", "method", "digits 1-shot"))
    domain = rng.choice(("", "digits", "langid", "spoken-words"))
    query = f"q={rng.randrange(1000)}&sort=-{column.replace(' ', '+')}&domain={domain}&x={rng.random()}"
    return _board(target, f"{rng.choice(('index.html', 'leaderboard.csv', 'leaderboard.json'))}?{query}")


def _rows(target: Target, rng: random.Random) -> str:
    return f"/api/v1/leaderboard?limit={rng.choice((1, 1, 1, 1000))}"


def posting(path: str, token: Callable[[Target, int], str], body: Callable[[Target, int], bytes]) -> Abuse:
    """POST the same body again and again."""

    def abuse(target: Target, client: int, rng: random.Random) -> Iterator[str]:
        connection, content = target.connect(), body(target, client)
        kind = "application/zip" if path.endswith("submissions") else "application/json"
        headers = {"Authorization": f"Bearer {token(target, client)}", "Content-Type": kind}
        while True:
            key = {"Idempotency-Key": secrets.token_hex(8)}
            connection.request("POST", path, body=content, headers={**headers, **key})
            answer = connection.getresponse()
            answer.read()
            yield str(answer.status)
            if answer.getheader("connection") == "close":
                connection = target.connect()

    return abuse


def _challenge(target: Target, client: int) -> bytes:
    owned = target.owned[client % len(target.owned)]
    return f'{{"submission": "{owned[1]}", "commitment": "{"a" * 64}"}}'.encode()


def large_headers(target: Target, client: int, rng: random.Random) -> Iterator[str]:
    """8 MiB of headers."""
    while True:
        with socket.create_connection(("127.0.0.1", target.port), timeout=20) as sent:
            answer = b""
            try:
                sent.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n")
                for number in range(128):
                    sent.sendall(b"h%d: " % number + b"x" * 2**16 + b"\r\n")
                answer = sent.recv(100)
            except OSError:
                with suppress(OSError):
                    answer = sent.recv(100)
        yield answer[9:12].decode() or "closed"


def slow_headers(target: Target, client: int, rng: random.Random) -> Iterator[str]:
    """Six connections of each client, one byte of a header a second on each."""
    while True:
        opened = [socket.create_connection(("127.0.0.1", target.port), timeout=20) for _ in range(6)]
        for connection in opened:
            connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nslow: ")
        while opened:
            time.sleep(1)
            for connection in list(opened):
                try:
                    connection.sendall(b"x")
                except OSError:
                    opened.remove(connection)
                    connection.close()
                    yield "closed"


def slow_bodies(target: Target, client: int, rng: random.Random) -> Iterator[str]:
    """A bundle of 1 MiB as declared, a few bytes a second."""
    token = target.owned[client % len(target.owned)][0]
    head = (
        f"POST /api/v1/submissions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n"
        f"idempotency-key: {'k' * 20}\r\ncontent-type: application/zip\r\ncontent-length: 1048576\r\n\r\n"
    )
    while True:
        with socket.create_connection(("127.0.0.1", target.port), timeout=20) as sent:
            sent.sendall(head.encode())
            for _ in range(20):
                sent.sendall(b"PK\x03\x04")
                time.sleep(1)
        yield "left"


def nothing(target: Target, client: int, rng: random.Random) -> Iterator[str]:
    """Wait."""
    while True:
        time.sleep(0.5)
        yield "waited"


ABUSES: dict[str, tuple[str, Abuse]] = {
    "none": ("none, for comparison", nothing),
    "health": ("/healthz itself", asking(lambda target, rng: "/healthz")),
    "challenges": (
        "POST /challenges",
        posting("/api/v1/challenges", lambda t, c: t.owned[c % len(t.owned)][0], _challenge),
    ),
    "days": ("as_of of odd days", asking(_day)),
    "tasks": ("pages of tasks, never cached", asking(_task)),
    "comparisons": ("comparisons, never cached", asking(_comparison)),
    "filters": ("filters and exports, never cached", asking(_filter)),
    "rows": ("API, limit=1 and 1000", asking(_rows)),
    "quota": (
        "383 KiB zips over the quota",
        posting("/api/v1/submissions", lambda t, c: t.spent, lambda t, c: t.bundle),
    ),
    "bundles": (
        "zips of 50 accounts",
        posting("/api/v1/submissions", lambda t, c: t.owned[c % len(t.owned)][0], lambda t, c: t.bundle),
    ),
    "large-headers": ("8 MiB of headers", large_headers),
    "slow-headers": ("300 connections, slow headers", slow_headers),
    "slow-bodies": ("slow bodies", slow_bodies),
}


def attack(kind: str, target: Target) -> Counter[str]:
    """Run an abuse with CLIENTS threads for SECONDS; how often each answer came."""
    found: Counter[str] = Counter()
    until = time.monotonic() + SECONDS

    def client(number: int) -> None:
        rng = random.Random(number)
        while time.monotonic() < until:
            try:
                for outcome in ABUSES[kind][1](target, number, rng):
                    found[outcome] += 1
                    if time.monotonic() > until:
                        return
            except (OSError, HTTPException) as error:
                found[type(error).__name__] += 1

    threads = [threading.Thread(target=client, args=(number,), daemon=True) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until + 2 - time.monotonic()))
    return found


def probe(port: int, path: str, every: float, until: float) -> list[float]:
    """Milliseconds of a GET of `path` every so many seconds; 10 s for one that does not answer."""
    found: list[float] = []
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    while (begin := time.monotonic()) < until:
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            found.append(1000 * (time.monotonic() - begin) if answer.status == 200 else 10_000.0)
        except (OSError, HTTPException):
            found.append(10_000.0)
            connection.close()
        time.sleep(max(0.0, begin + every - time.monotonic()))
    return found


def prepare(folder: Path) -> Target:
    """A board of 1,000 methods that came on 250 days, of which CLIENTS accounts own one each."""
    track = fill(folder)
    store, owned = Store(folder / "board.db"), []
    with store.database.write() as session:
        rows = session.query(Submission).order_by(Submission.id).all()
        for number, row in enumerate(rows):
            row.accepted = now() - timedelta(days=number % 250)
            for event in row.events:
                event.at = row.accepted
        for number, row in enumerate(rows[:CLIENTS]):
            secret, token = tokens.issue(session, f"client-{number}", "", ("submit",), 1)
            row.account_id = session.get_one(Method, row.method).account_id = token.account_id
            owned.append((secret, row.id))
        spent, token = tokens.issue(session, "spent", "", ("submit",), 1)
        most = DEFAULT["submission"][0][0]
        session.add_all(Attempt(account_id=token.account_id, kind="submission") for _ in range(most))
    store.close()
    return Target(0, track, tuple(owned), spent, bundles.zipped(folder / "sent", "sent", budget="small"))


@contextmanager
def serving(folder: Path, target: Target) -> Iterator[tuple[Target, psutil.Process]]:
    """`metanas leaderboard serve` of a copy of the board, ready."""
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "board.db"
        copy.write_bytes((folder / "board.db").read_bytes())
        words = ["leaderboard", "serve", "--db", str(copy), "--port", str(port)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen([sys.executable, "-m", "metanas", *words], **quiet)
        try:
            wait_for(port, "/", time.perf_counter())
            yield Target(port, *list(target.__dict__.values())[1:]), psutil.Process(process.pid)
        finally:
            process.kill()
            process.wait()


def fork(work: Callable[[], object]) -> Callable[[], str]:
    """Do some work in a process of its own; returns a function that waits for what it prints."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(ours)
            text = repr(work())
            with os.fdopen(theirs, "w") as pipe:
                pipe.write(text)
        finally:
            os._exit(0)
    os.close(theirs)

    def wait() -> str:
        with os.fdopen(ours) as pipe:
            text = pipe.read()
        os.waitpid(child, 0)
        return text

    return wait


def measure(kind: str, folder: Path, target: Target) -> str:
    """One line of the table."""
    with serving(folder, target) as (served, process):
        until = time.monotonic() + SECONDS
        attacked = fork(lambda: dict(attack(kind, served)))
        health = fork(lambda: probe(served.port, "/healthz", 0.02, until))
        home = fork(lambda: probe(served.port, "/", 0.1, until))
        most = 0
        while time.monotonic() < until:
            most = max(most, process.memory_info().rss)
            time.sleep(0.1)
        spent = sum(process.cpu_times()[:2])
        healths, homes = (np.array(eval(found())) for found in (health, home))
        answers = eval(attacked())
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
            stopped = time.monotonic() - begin
        except psutil.TimeoutExpired:
            stopped = float("inf")
    p50, p99 = np.percentile(healths, [50, 99])
    p95 = np.percentile(homes, 95)
    held = p99 <= HEALTH_MS and p95 <= HOME_MS and most / 1e6 <= RSS_MB and stopped <= STOP_S
    said = ", ".join(f"{count} x {status}" for status, count in sorted(answers.items()))
    return (
        f"| {ABUSES[kind][0]} | {p50:.1f} / {p99:.0f} | {statistics.median(homes):.1f} / {p95:.0f} | "
        f"{most / 1e6:.0f} | {spent:.0f} | {stopped:.1f} | {'held' if held else 'MISSED'} | {said} |"
    )


def main() -> None:
    kinds = sys.argv[1:] or list(ABUSES)
    if unknown := [kind for kind in kinds if kind not in ABUSES]:
        sys.exit(f"there is no abuse {unknown[0]!r}; there are {', '.join(ABUSES)}")
    print(machine(), flush=True)
    print(f"1000 methods, {CLIENTS} clients, {SECONDS:g} s each; a server for each line, ended by SIGTERM\n")
    print("| abuse | healthz p50/p99, ms | home p50/p95, ms | RSS, MB | CPU, s | stop, s | goals | answers |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        target = prepare(Path(name))
        for kind in kinds:
            print(measure(kind, Path(name), target), flush=True)
    print(
        f"\ngoals: healthz p99 <= {HEALTH_MS} ms, home p95 <= {HOME_MS} ms, "
        f"RSS <= {RSS_MB} MB, stop <= {STOP_S} s"
    )


if __name__ == "__main__":
    main()
