"""The board's pages with 1,000 submissions, latency and memory: python -m tests.benchmarks.bench_pages

Makes a board of 1,000 methods (mini-v1's six tasks, 3 seeds x 60 episodes), starts
`metanas leaderboard serve` as its own process on the loopback interface, and measures what a reader meets:
seconds until /readyz and the first page answer, pages and filters never asked for before, and the cached
page, over keep-alive connections. Bounded: under 10,000 requests.
"""

import json
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import psutil

from leaderboard.store.models import Method, Score, Submission, new_id
from leaderboard.store.store import Store, enter, track_of
from leaderboard.web import links
from tests.leaderboard import bundles

METHODS, EPISODES, QUERIES = 1000, 60, 75


def fill(folder: Path) -> str:
    """A board of METHODS methods whose skills differ a little; returns its track."""
    document = bundles.run(folder / "run", "m")
    tasks = tuple(task.model_copy(update={"episodes": EPISODES}) for task in document.tasks)
    document = document.model_copy(update={"tasks": tasks})
    random, store, track = np.random.default_rng(0), Store(folder / "board.db"), track_of(document)
    hard = {task.name: random.normal(0, 0.08, EPISODES) for task in tasks}
    with store.database.write() as session:
        for i in range(METHODS):
            name = f"method-{i:04d}"
            session.add(Method(name=name))
            session.flush()
            row = Submission(
                id=new_id(),
                digest=f"{i:064x}",
                method=name,
                track=track,
                state="received",
                tier="recomputed",
                document=document.model_copy(update={"method": name}).model_dump_json(),
            )
            session.add(row)
            session.flush()
            for task in tasks:
                seeds = random.normal(0, 0.02, (len(document.seeds), 1))
                chance = np.clip(0.4 + 0.4 * i / METHODS + seeds + hard[task.name], 0.05, 0.98)
                session.add(
                    Score(
                        submission_id=row.id,
                        kind="pinned",
                        task=task.name,
                        seeds=len(document.seeds),
                        queries=QUERIES,
                        right=random.binomial(QUERIES, chance).astype("<u2").tobytes(),
                        summary=json.dumps({"log_loss": 1.0}),
                    )
                )
            enter(session, row, "published", "made by the benchmark")
    store.close()
    return track


def get(connection: HTTPConnection, path: str) -> bytes:
    connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status}")
    return content


def connect(port: int) -> HTTPConnection:
    return HTTPConnection("127.0.0.1", port, timeout=60)


def wait_for(port: int, path: str, since: float) -> float:
    """Seconds from `since` until the path answers 200."""
    while True:
        try:
            get(connect(port), path)
            return time.perf_counter() - since
        except (OSError, RuntimeError):
            if time.perf_counter() - since > 120:
                raise
            time.sleep(0.01)


def latencies(port: int, paths: list[str]) -> list[float]:
    """Milliseconds of each, one after the other."""
    connection, found = connect(port), []
    for path in paths:
        start = time.perf_counter()
        get(connection, path)
        found.append(1000 * (time.perf_counter() - start))
    return found


def throughput(port: int, path: str, requests: int = 2500, clients: int = 4) -> float:
    """Requests per second of several clients at once, median of three rounds."""

    def client() -> None:
        connection = connect(port)
        for _ in range(requests // clients):
            get(connection, path)

    rates = []
    for _ in range(3):
        threads = [threading.Thread(target=client) for _ in range(clients)]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rates.append(requests / (time.perf_counter() - start))
    return statistics.median(rates)


def measure(db: Path, track: str) -> list[str]:
    """Start the server, ask, stop it; the lines of the result."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    board, start = f"/{links.slug(track)}/index.html", time.perf_counter()
    words = ["leaderboard", "serve", "--db", str(db), "--port", str(port)]
    process = subprocess.Popen([sys.executable, "-m", "metanas", *words])
    try:
        ready, first = wait_for(port, "/readyz", start), wait_for(port, "/", start)
        pages = latencies(port, [f"{board}?page={n}" for n in range(2, 11)])
        filters = latencies(
            port, [f"{board}?q={n:02d}&sort=-{c}" for n in range(50) for c in ("mean", "date")]
        )
        cached = latencies(port, [board] * 1000)
        rate, size = throughput(port, board), len(get(connect(port), board))
        memory = psutil.Process(process.pid).memory_info().rss / 2**20
    finally:
        process.terminate()
        process.wait(timeout=30)

    def p95(values: list[float]) -> str:
        median = statistics.median(values)
        return f"{np.percentile(values, 95):8.1f} ms p95 of {len(values)}, {median:.1f} median"

    return [
        f"ready after         {ready:8.2f} s    (target 2); first page after {first:.2f} s",
        f"the page            {p95(cached)}, {size / 1024:.0f} KiB as sent    (target 50)",
        f"other hundred rows  {p95(pages)}, each asked for the first time",
        f"new filters         {p95(filters)}, each asked for the first time",
        f"cached              {rate:8.0f} requests/s, 4 clients    (target 500)",
        f"resident            {memory:8.0f} MiB    (target under 300)",
    ]


def main() -> None:
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    cpu = next(line.partition(":")[2].strip() for line in info if line.startswith("model name"))
    load = psutil.getloadavg()[0]
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {cpu}, {psutil.cpu_count()} cores, load {load:.1f}")
    with tempfile.TemporaryDirectory() as name:
        track = fill(Path(name))
        print(f"{METHODS} submissions of 6 tasks x 3 seeds x {EPISODES} episodes, SQLite")
        print("\n".join(measure(Path(name) / "board.db", track)))


if __name__ == "__main__":
    main()
