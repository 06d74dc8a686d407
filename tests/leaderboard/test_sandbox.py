"""The scorer's process: what it may not do, it cannot do; what kills it, kills only it."""

import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from leaderboard.bundle.names import Members
from leaderboard.bundle.problem import BundleError
from leaderboard.bundle.validate import validate
from leaderboard.scoring import zygote
from leaderboard.scoring.sandbox import Limits, Sandbox
from leaderboard.scoring.wire import ScorerDied
from tests.leaderboard import bundles

LIMITS = {"open_files": 64, "cpu_seconds": 2, "wall_seconds": 3}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Members:
    return bundles.members(tmp_path_factory.mktemp("good") / "run")


def laid(folder: Path, files: Members) -> dict[str, Path]:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in files}


def test_it_gives_the_same_scores_and_goes_on_after_bad_bundles_and_kills(
    good: Members, tmp_path: Path
) -> None:
    sandbox = Sandbox(Limits())
    paths = laid(tmp_path / "good", good)
    bad = laid(tmp_path / "bad", bundles.resealed(good, predictions_parquet=b"nonsense"))
    expected = validate(good)
    for _ in range(2):
        found = sandbox.run(paths)
        assert [(t.task, t.summary) for t in found.tasks] == [(t.task, t.summary) for t in expected.tasks]
        for one, other in zip(found.tasks, expected.tasks, strict=True):
            assert (one.right == other.right).all()
        with pytest.raises(BundleError, match="not a Parquet file"):
            sandbox.run(bad)
        assert sandbox._process is not None
        sandbox._process.kill()
        sandbox._process.wait()
    sandbox.close()


def test_a_scorer_that_passes_a_limit_ends_and_says_so(good: Members, tmp_path: Path) -> None:
    sandbox = Sandbox(Limits(wall_seconds=0.001))
    with pytest.raises(ScorerDied, match="ended without an answer"):
        sandbox.run(laid(tmp_path / "good", good))
    sandbox.close()


def confined(action: Callable[[], object]) -> str:
    """What becomes of an action in a process that gave up its rights."""
    ours, theirs = os.pipe()
    if (process := os.fork()) == 0:
        have = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        zygote.give_up({**LIMITS, "memory_bytes": have + 2**28})
        try:
            action()
            os.write(theirs, b"done")
        except (OSError, MemoryError) as error:
            os.write(theirs, type(error).__name__.encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        found = pipe.read().decode()
    status = os.waitpid(process, 0)[1]
    return found or f"signal {os.waitstatus_to_exitcode(status)}"


def spin() -> None:
    while True:
        pass


def test_what_it_gave_up_it_cannot_do(tmp_path: Path) -> None:
    def write() -> None:
        with open(tmp_path / "evil", "wb", buffering=0) as file:
            file.write(b"x")

    def connect() -> None:
        with socket.socket() as client:
            client.settimeout(1)
            client.connect(("127.0.0.1", port))

    def open_many() -> None:
        _ = [os.open("/dev/null", os.O_RDONLY) for _ in range(100)]

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        assert confined(connect) in ("OSError", "PermissionError", "ConnectionRefusedError")
    assert confined(write).startswith(("signal", "OSError"))
    assert not (tmp_path / "evil").exists() or (tmp_path / "evil").stat().st_size == 0
    assert confined(open_many) == "OSError"
    assert confined(lambda: bytearray(2**29)) == "MemoryError"
    started = time.monotonic()
    assert confined(lambda: time.sleep(60)).startswith("signal")
    assert confined(spin).startswith("signal")
    assert time.monotonic() - started < 30
    assert confined(lambda: json.dumps({})) == "done"
