"""The board's pages with 1,000 submissions, latency and memory: python -m tests.benchmarks.bench_pages

Makes a board of 1,000 methods (mini-v1's six tasks, 3 seeds x 60 episodes), starts
`metanas leaderboard serve` as its own process on the loopback interface, and measures what a reader meets:
seconds until /readyz and the first page answer (a new process, nothing preloaded), the cached page, and every
kind of page and API call, first time and again, over keep-alive connections. Bounded: under 10,000 requests.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

import numpy as np
import psutil

from leaderboard.ranking import standing
from leaderboard.store.models import Method, Score, Submission, new_id
from leaderboard.store.store import Store, enter, track_of
from leaderboard.web import links
from tests.leaderboard import bundles
from tests.ports import free_port

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


def kinds(track: str, submission: str) -> dict[str, list[str]]:
    """The addresses of each kind of page and API call; those of a kind are asked for one after the other."""

    def page(name: str) -> str:
        return f"/{links.board(track, name)}"

    tasks = ("digits-5w1s", "digits-5w5s", "langid-5w1s", "langid-5w5s", "spoken-words-5w1s")
    api, named = f"/api/v1/leaderboard?track={quote(track)}", f"track={quote(track)}"
    return {
        "first page": ["/"],
        "other rows": [page(f"index.html?page={n}") for n in range(2, 11)],
        "filters": [page(f"index.html?q={n:02d}&sort=-{c}") for n in range(10) for c in ("mean", "date")],
        "one domain": [page(f"index.html?domain={d}") for d in ("digits", "langid", "spoken-words")],
        "days": [page(f"index.html?as_of={datetime.now(UTC):%Y-%m-%d}")],
        "methods": [page(f"methods/method-{n:04d}.html") for n in range(0, 1000, 50)],
        "tasks": [page(f"tasks/{name}.html") for name in tasks],
        "Pareto": [page(f"pareto-{cost}.html") for cost in ("parameters", "training", "memory")],
        "compare two": [page(f"compare.html?m=method-{n:04d}&m=method-{n + 1:04d}") for n in range(10)],
        "compare six": [
            page("compare.html?" + "&".join(f"m=method-{n + i:04d}" for i in range(6))) for n in range(5)
        ],
        "significance": [page("significance.html")],
        "other baselines": [page(f"significance.html?baseline=method-{n:04d}") for n in (5, 500)],
        "exports": [page(f"leaderboard.{form}") for form in ("json", "csv", "md", "tex")],
        "submission": [f"/submissions/{submission}.html", f"/submissions/{submission}.json"],
        "rules, transfer": ["/rules.html", "/transfer.html"],
        "API: one row": [f"{api}&limit=1"],
        "API: 1000 rows": [f"{api}&limit=1000"],
        "API: method": [f"/api/v1/methods/method-{n:04d}" for n in range(0, 1000, 100)],
        "API: Pareto": [f"/api/v1/pareto?{named}&cost=training"],
        "API: compare": [f"/api/v1/compare?{named}&m=method-0001&m=method-{n:04d}" for n in range(2, 7)],
        "API: submission": [f"/api/v1/submissions/{submission}{part}" for part in ("", "/events")],
        "API: the rest": ["/api/v1/tracks", "/api/v1/benchmarks", "/api/v1/transfer", "/api/v1/audit/head"],
        "health, ready": ["/healthz", "/readyz"],
    }


@contextmanager
def serving(db: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, float]]:
    """A server of the board: its process, its port, and when it was started."""
    port = free_port()
    start = time.perf_counter()
    words = ["leaderboard", "serve", "--db", str(db), "--port", str(port)]
    process = subprocess.Popen([sys.executable, "-m", "metanas", *words], stdout=subprocess.DEVNULL)
    try:
        yield process, port, start
    finally:
        process.terminate()
        process.wait(timeout=30)


def by_kind(db: Path, track: str, submission: str) -> list[str]:
    """p95 of every kind of page and call: first time, and again. The server's pages are prepared before."""
    lines = [f"{'':18s} {'cold p50 / p95, ms':>20s} {'warm p50 / p95, ms':>20s}   (targets: p95 100 and 20)"]
    with serving(db) as (process, port, start):
        wait_for(port, "/", start)
        idle, spent = 0, -1.0
        while idle < 3:  # until it has prepared what it prepares
            time.sleep(1)
            now = sum(psutil.Process(process.pid).cpu_times()[:2])
            idle, spent = idle + 1 if now - spent < 0.05 else 0, now
        for kind, paths in kinds(track, submission).items():
            cold, warm = latencies(port, paths), latencies(port, paths * 5)
            figures = [f"{statistics.median(v):9.1f} / {np.percentile(v, 95):6.1f}" for v in (cold, warm)]
            missed = np.percentile(cold, 95) > 100 or np.percentile(warm, 95) > 20
            lines.append(
                f"{kind:18s} {figures[0]:>20s} {figures[1]:>20s}   {'MISSED' if missed else ''}".rstrip()
            )
    return lines


def measure(db: Path, track: str) -> list[str]:
    """Start the server, ask, stop it; the lines of the result."""
    board = f"/{links.slug(track)}/index.html"
    with serving(db) as (process, port, start):
        times = []
        for path in ("/readyz", "/"):
            took, spent = wait_for(port, path, start), psutil.Process(process.pid).cpu_times()
            times.append(f"{took:.2f} s ({spent.user + spent.system:.2f} of a processor)")
        cached = latencies(port, [board] * 1000)
        rate, size = throughput(port, board), len(get(connect(port), board))
        memory = psutil.Process(process.pid).memory_info().rss / 2**20

    def p95(values: list[float]) -> str:
        median = statistics.median(values)
        return f"{np.percentile(values, 95):8.1f} ms p95 of {len(values)}, {median:.1f} median"

    return [
        f"ready after         {times[0]}, first page after {times[1]}    (target 2 s)",
        f"the page            {p95(cached)}, {size / 1024:.0f} KiB as sent    (target 50)",
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
        print("\n".join(measure(Path(name) / "board.db", track)), flush=True)
        with closing(Store(Path(name) / "board.db")) as store:
            submission = standing.current(store, track)[0].id
        print("\n".join(by_kind(Path(name) / "board.db", track, submission)))


if __name__ == "__main__":
    main()
