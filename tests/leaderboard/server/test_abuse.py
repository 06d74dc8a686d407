"""What a few clients do to a server on purpose: it goes on answering, and nothing of theirs stays."""

import asyncio
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from leaderboard.admin.orphans import clean
from leaderboard.bundle import reading
from leaderboard.challenge import register
from leaderboard.ranking import standing
from leaderboard.server import protocol
from leaderboard.server.protocol import HEADER_BYTES, LimitedHeaders
from leaderboard.web import links
from leaderboard.web.render import Busy
from leaderboard.web.routes import open_site
from leaderboard.web.site import MAX_PAST
from tests.leaderboard import bundles
from tests.leaderboard.serving import MANY, SQLITE, Served, served
from tests.leaderboard.site import Fixed
from tests.leaderboard.site import standing as made


@SQLITE
def test_forty_five_challenges_at_once_leave_the_threads_to_the_pages(
    server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = threading.Event()

    def draw(number: int, tasks: object) -> bytes:
        assert drawn.wait(20)
        return b"inputs"

    monkeypatch.setattr(register, "drawn", draw)
    identity = server.post(bundles.zipped(tmp_path / "a")).json()["id"]
    server.work()
    body = {"submission": identity, "commitment": "a" * 64, "domains": ["langid"]}

    def commit(number: int) -> int:
        answer = server.client.post("/api/v1/challenges", json=body, headers=server.headers("owner"))
        return int(answer.status_code)

    with ThreadPoolExecutor(45) as pool:
        statuses = [pool.submit(commit, number) for number in range(45)]
        while sum(status.done() for status in statuses) < 44:
            begin = time.monotonic()
            assert server.client.get("/healthz").status_code == 200
            assert server.client.get("/").status_code == 200
            assert time.monotonic() - begin < 2
        drawn.set()
    assert sorted(status.result() for status in statuses) == [201, *[503] * 44]
    assert commit(0) == 201, "the same request again has them"


@SQLITE
def test_an_account_over_its_quota_makes_no_work(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quotas = {**MANY, "submission": ((1, timedelta(days=1)),)}
    with served(url, tmp_path / "data", quotas=quotas) as server:
        first = bundles.zipped(tmp_path / "a")
        assert server.post(first, key="the-first-one").status_code == 202
        before = set(server.context.store.blobs)
        with monkeypatch.context() as patched:
            patched.setattr(reading, "read_zip", lambda content: pytest.fail("it was unpacked"))
            assert server.post(bundles.zipped(tmp_path / "b", seed=1)).status_code == 429
        assert server.post(first, key="the-first-one").status_code == 202, "a repeated request is none"
        assert set(server.context.store.blobs) == before


def test_what_is_refused_leaves_no_files(server: Served, tmp_path: Path) -> None:
    server.post(bundles.zipped(tmp_path / "a"))
    before = set(server.context.store.blobs)
    for role, seed, status in (("other", 1, 403), ("owner", 0, 409)):
        assert server.post(bundles.zipped(tmp_path / f"{seed}", seed=seed), role).status_code == status
    assert set(server.context.store.blobs) == before


def test_old_files_without_a_reference_are_found_and_removed(server: Served, tmp_path: Path) -> None:
    store = server.context.store
    server.post(bundles.zipped(tmp_path / "a"))
    used = set(store.blobs)
    old, young = store.blobs.put(b"left by a kill"), store.blobs.put(b"of a request in progress")
    for sha in (*used, old):
        os.utime(store.blobs.path(sha), (1, 1))
    assert clean(store, remove=False) == (1, len(b"left by a kill")) and old in set(store.blobs)
    assert clean(store, remove=True).blobs == 1
    assert set(store.blobs) == {*used, young}
    assert clean(store, remove=True) == (0, 0)


@SQLITE
@pytest.mark.parametrize("day", ["9999-12-31", (date.today() + timedelta(days=3)).isoformat()])
def test_a_day_to_come_has_no_board(server: Served, tmp_path: Path, day: str) -> None:
    server.context.store.add(_run(tmp_path))
    (track,) = standing.tracks(server.context.store)
    answer = server.client.get(f"/{links.board(track)}", params={"as_of": day})
    assert answer.status_code in (400, 404)  # 404: the pages do not know the track yet
    site = open_site(Fixed([made(tmp_path / "x", "m", 0.5)]), live=True)
    with pytest.raises(Exception, match="as_of wants a day until today"):
        site.get(links.board(next(iter(site.tracks.values()))), {"as_of": [day]})


def test_days_without_a_change_share_a_board_and_few_boards_of_the_past_are_kept(tmp_path: Path) -> None:
    rows = [made(tmp_path / f"{day}", f"m{day}", 0.5, day=day) for day in range(1, 9)]
    site = open_site(Fixed(rows), live=True)
    (slug,) = site.tracks
    assert site.board(slug, as_of=date(2026, 1, 20)) is site.board(slug), "nothing has changed since"
    assert [len(site.board(slug, as_of=date(2026, 1, day)).lines) for day in range(1, 9)] == list(range(1, 9))
    assert sum(day is not None for _, _, day in site._boards) <= MAX_PAST


def test_one_board_of_the_past_is_ranked_at_a_time(tmp_path: Path) -> None:
    rows = [made(tmp_path / name, name, 0.5, day=day) for name, day in (("m", 1), ("later", 9))]
    site = open_site(Fixed(rows), live=True)
    (slug,) = site.tracks
    with site._past, pytest.raises(Busy):
        site.board(slug, as_of=date(2026, 1, 5))
    assert site.board(slug, as_of=date(2026, 1, 5)).lines


def _run(folder: Path) -> Path:
    bundles.run(folder / "run")
    return folder / "run"


async def _hello(scope: dict[str, Any], receive: Any, send: Any) -> None:
    size = 0
    while (message := await receive()).get("more_body") or message.get("body"):
        size += len(message["body"])
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % size})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server of its own with the protocol of `metanas leaderboard serve`."""
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.5)
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(_hello, http=LimitedHeaders, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
    thread.start()
    yield int(listening.getsockname()[1])
    server.should_exit = True
    thread.join()


def ask(port: int, *parts: bytes, wait: float = 0.0) -> bytes:
    """What comes back until the server closes, for some bytes sent one after the other."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(10)
        answer = b""
        try:
            for part in parts:
                client.sendall(part)
                time.sleep(wait)
            while chunk := client.recv(2**16):
                answer += chunk
        except (ConnectionResetError, BrokenPipeError):
            pass
        return answer


def test_headers_have_a_size_and_a_time(port: int) -> None:
    line, end = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n", b"\r\n"
    assert ask(port, line + end).startswith(b"HTTP/1.1 200")
    body = b"x" * 300_000
    whole = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 300000\r\n\r\n" + body
    assert b"300000" in ask(port, whole), "a body is none of the headers"
    for name in (b"a" * 40_000 + b": x\r\n", b"".join(b"h%d: x\r\n" % i for i in range(HEADER_BYTES // 6))):
        assert b" 431 " in ask(port, line + name + end)
    assert b" 431 " in ask(port, b"GET /?" + b"x" * 50_000 + b" HTTP/1.1\r\n\r\n")
    unending = ask(port, line + b"a: ", *[b"x" * 20_000] * 50)
    assert b" 431 " in unending or unending == b""
    begin = time.monotonic()
    assert ask(port, line) == b"" and ask(port) == b"", "slow ones end"
    assert time.monotonic() - begin < 5
