"""The scorer's process: what it may not do, it cannot do; what kills it, kills only it."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from leaderboard.bundle.names import Members
from leaderboard.bundle.problem import BundleError
from leaderboard.scoring import confinement, fork_server
from leaderboard.scoring.confinement import NotConfined
from leaderboard.scoring.sandbox import Limits, Sandbox
from leaderboard.scoring.transport import ScorerDied
from leaderboard.scoring.validate import validate
from tests.leaderboard import bundles

LIMITS = {"open_files": 64, "cpu_seconds": 30, "wall_seconds": 60}


def laid(folder: Path, files: Members) -> dict[str, Path]:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in files}


def test_it_gives_the_same_scores_and_goes_on_after_bad_bundles_and_kills(tmp_path: Path) -> None:
    good = bundles.good()
    sandbox, hasty = Sandbox(Limits()), Sandbox(Limits(wall_seconds=0.001))
    for each in (sandbox, hasty):
        each.start()  # both at once
    paths = laid(tmp_path / "good", good)
    bad = laid(tmp_path / "bad", bundles.resealed(good, predictions_parquet=b"nonsense"))
    expected = validate(good)
    for killed in (False, True):
        if killed:
            assert sandbox._process is not None
            sandbox._process.kill()
            sandbox._process.wait()
        found = sandbox.run(paths)
        assert [(t.task, t.summary) for t in found.tasks] == [(t.task, t.summary) for t in expected.tasks]
        for one, other in zip(found.tasks, expected.tasks, strict=True):
            assert (one.right == other.right).all()
        with pytest.raises(BundleError, match="not a Parquet file"):
            sandbox.run(bad)
    sandbox.close()
    with pytest.raises(ScorerDied, match="ended without an answer"):  # it passed a limit
        hasty.run(paths)
    hasty.close()


def confined(action: Callable[[], object], **limits: float) -> str:
    """What becomes of an action in a process that gave up its rights; `limits` beside LIMITS."""
    ours, theirs = os.pipe()
    if (process := os.fork()) == 0:
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # pytest-timeout has a handler of its own
            have = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
            fork_server.give_up({**LIMITS, "memory_bytes": have + 2**28, **limits})
            action()
            os.write(theirs, b"done")
        except BaseException as error:
            os.write(theirs, type(error).__name__.encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        found = pipe.read().decode()
    status = os.waitpid(process, 0)[1]
    return found or f"signal {-os.waitstatus_to_exitcode(status)}"


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
        _ = [os.dup(0) for _ in range(100)]

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        assert confined(connect) in ("OSError", "PermissionError", "ConnectionRefusedError")
    assert confined(write).startswith(("signal", "PermissionError", "FileNotFoundError"))
    assert not (tmp_path / "evil").exists() or (tmp_path / "evil").stat().st_size == 0
    assert confined(open_many) == "OSError"
    assert confined(lambda: bytearray(2**29)) == "MemoryError"
    assert confined(lambda: time.sleep(60), wall_seconds=0.2) == f"signal {signal.SIGALRM:d}"
    assert confined(spin, cpu_seconds=1) in (f"signal {signal.SIGXCPU:d}", f"signal {signal.SIGKILL:d}")
    assert confined(lambda: json.dumps({})) == "done"


@pytest.mark.parametrize("how", ["landlock", "chroot"])
def test_nothing_of_the_machine_is_in_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Whoever serves, root or not, by each of the two ways."""
    if how == "chroot":
        monkeypatch.setattr(confinement, "_landlock", lambda: False)
    try:
        if confinement.check() != how:
            pytest.skip(f"this kernel has no {how}")
    except NotConfined:
        pytest.skip("this kernel has neither")
    key = tmp_path / "server-key.hex"
    key.write_text("secret")
    key.chmod(0o644)
    gone = ("PermissionError", "FileNotFoundError")
    for action in (
        key.read_text,
        key.unlink,
        lambda: key.rename(tmp_path / "b"),
        lambda: os.listdir("/etc"),
        lambda: os.mkdir(tmp_path / "c"),
        lambda: os.open("/proc/self/environ", os.O_RDONLY),
        lambda: os.chroot("/tmp"),
    ):
        assert confined(action) in gone
    assert key.read_text() == "secret" and [p.name for p in tmp_path.iterdir()] == ["server-key.hex"]
    assert confined(lambda: os.setuid(0)) in ("PermissionError", "OSError")  # there is no such user
    if how == "landlock" or os.getuid() == 0:
        assert confined(lambda: os.kill(os.getppid(), 0)) == "PermissionError"


def test_root_is_refused_where_nothing_confines_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confinement, "_landlock", lambda: False)
    monkeypatch.setattr(confinement, "_empty_root", lambda: False)
    monkeypatch.setattr(confinement.os, "geteuid", lambda: 1000)
    assert confinement.check() == ""
    monkeypatch.setattr(confinement.os, "geteuid", lambda: 0)
    monkeypatch.setattr(confinement, "_become_nobody", lambda: None)
    with pytest.raises(NotConfined, match="neither Landlock .* nor user namespaces. Enable one, or serve as"):
        confinement.check()
