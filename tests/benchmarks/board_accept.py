"""How long a 4 MB bundle takes to be accepted and scored: `python -m tests.benchmarks.board_accept`.

A real server process on loopback, with its worker; SQLite and PostgreSQL. About two minutes.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np

from leaderboard.accounts import tokens
from leaderboard.bundle.names import Members
from leaderboard.bundle.pack import to_zip
from leaderboard.store.store import Store
from tests.benchmarks.board_machine import machine
from tests.leaderboard import bundles, postgres

POSTS, PORT = 40, 8753


def main() -> None:
    print(machine(), flush=True)
    bin = postgres.programs()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = bundles.members(folder / "run", budget="full", seeds=tuple(range(5)))
        measure("SQLite", f"sqlite:///{folder}/board.db", folder / "sqlite", files)
        assert bin is not None, "apt-get install postgresql"
        with postgres.server(bin) as host, postgres.database(host, 1) as url:
            measure("PostgreSQL", url, folder / "postgresql", files)


def measure(what: str, db: str, data: Path, files: Members) -> None:
    """Post bundles one after the other, each when the one before is scored."""
    store = Store(db, data)
    with store.database.write() as session:
        secret = tokens.issue(session, "ada", "", ("submit",), 1)[0]
    store.close()
    program = [sys.executable, "-m", "tests.leaderboard.killable"]
    mother = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert mother.stdin and mother.stdout
    mother.stdin.write(json.dumps({"db": db, "data": str(data), "port": PORT}) + "\n")
    mother.stdin.flush()
    server = int(mother.stdout.readline())
    accepted, scored, size = [], [], 0
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/zip"}
    with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", timeout=60, headers=headers) as client:
        _wait_ready(client)
        for i in range(POSTS):
            bundle = to_zip(bundles.resealed({**files, "README.md": b""}, README_md=str(i).encode()))
            size, started = len(bundle), time.perf_counter()
            answer = client.post(
                "/api/v1/submissions", content=bundle, headers={"Idempotency-Key": f"bundle-{i}"}
            )
            accepted.append(time.perf_counter() - started)
            assert answer.status_code == 202, answer.text
            path = f"/api/v1/submissions/{answer.json()['id']}"
            while client.get(path).json()["state"] in ("received", "scoring"):
                time.sleep(0.02)
            scored.append(time.perf_counter() - started)
            assert client.get(path).json()["state"] == "published"
    os.kill(server, signal.SIGKILL)
    mother.communicate()
    p50, p95 = np.percentile(accepted, [50, 95])
    s50, s95 = np.percentile(scored, [50, 95])
    print(
        f"{what}: {POSTS} bundles of {size / 1e6:.1f} MB: accepted in p50 {1e3 * p50:.0f} ms, "
        f"p95 {1e3 * p95:.0f} ms; scored and published after p50 {s50:.2f} s, p95 {s95:.2f} s, "
        f"slowest {max(scored):.2f} s",
        flush=True,
    )


def _wait_ready(client: httpx.Client) -> None:
    for _ in range(3000):
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.01)
    raise AssertionError("the server is not ready within 30 s")


if __name__ == "__main__":
    main()
