"""Score an untrusted bundle in a restricted process, so that a hostile file can fail only its own job.

The process is forked from a clean one (`fork_server.py`), which has no database connection, key, token or
environment of the server. Its processor time, memory and wall time are limited; it cannot write files, and
has no network where the kernel allows user namespaces. It gets open files, not paths, and answers with JSON.
"""

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock

from leaderboard.bundle.problem import BundleError, Problem
from leaderboard.bundle.scores import Scored
from leaderboard.scoring.transport import ScorerDied, from_wire
from metanas.base import json_text
from metanas.evaluation.result import SUBMISSION

ANSWER_MOST = 64 * 2**20  # bytes
GRACE_SECONDS = 5.0  # beyond the wall time: for a process to start and for its end to be noticed


@dataclass(frozen=True)
class Limits:
    """Resource limits of one scorer."""

    cpu_seconds: int = 10
    wall_seconds: float = 30.0
    memory_bytes: int = 2 * 2**30
    open_files: int = 64


class Sandbox:
    """Runs scorers; its fork server is started when first needed, and again if it dies. Thread-safe."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    def start(self) -> None:
        """Start the fork server ahead of the first job."""
        with self._lock:
            self._started()

    def run(self, files: Mapping[str, Path], *, secret: int = 0, suite: bytes | None = None) -> Scored:
        """Scores of a bundle. BundleError if it is not valid, ScorerDied if its process did not answer.

        files: name -> path. secret: 0, or the seed of a challenge's labels; then `files` are only the
        predictions and a submission.json that the board wrote. suite: one that was added to the board, as
        JSON.
        """
        request = {
            "names": list(files),
            "limits": asdict(self._limits),
            "secret": str(secret),
            "suite": suite is not None,
        }
        message = json.dumps(request).encode()
        ours, theirs = os.pipe()
        try:
            with ExitStack() as opened:
                handles = [opened.enter_context(path.open("rb")).fileno() for path in files.values()]
                if suite is not None:
                    given = opened.enter_context(TemporaryFile())
                    given.write(suite)
                    given.seek(0)
                    handles.append(given.fileno())
                with self._lock:
                    socket.send_fds(self._started(), [message], [*handles, theirs])
            os.close(theirs)
            theirs = -1
            content = _read(ours, self._limits.wall_seconds + GRACE_SECONDS)
        except BrokenPipeError as error:
            raise ScorerDied("the process that scorers are forked from has ended") from error
        finally:
            os.close(ours)
            if theirs >= 0:
                os.close(theirs)
        if not content:
            raise ScorerDied("ended without an answer: a limit was passed, or it crashed")
        answer = json_text.loads(content)
        if "problems" in answer:
            raise BundleError([Problem(**problem) for problem in answer["problems"]])
        return from_wire(answer, files[SUBMISSION].read_bytes())

    def close(self) -> None:
        """Kill the fork server; running scorers end by their own limits."""
        with self._lock:
            if self._channel is not None:
                self._channel.close()
            if self._process is not None:
                self._process.kill()
                self._process.wait()
            self._channel = self._process = None

    def _started(self) -> socket.socket:
        """The socket of the running fork server, which is started if need be. The lock must be held."""
        if self._channel is not None and self._process is not None and self._process.poll() is None:
            return self._channel
        if self._channel is not None:
            self._channel.close()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {
            "PATH": os.defpath,
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
            "OMP_NUM_THREADS": "1",
            "ARROW_DEFAULT_MEMORY_POOL": "system",
        }
        program = [sys.executable, "-m", "leaderboard.scoring.fork_server"]
        with theirs:
            self._process = subprocess.Popen(program, stdin=theirs.fileno(), env=environment)
        return self._channel


def _read(handle: int, seconds: float) -> bytes:
    """Read until the other side closes. ScorerDied after `seconds` or more than ANSWER_MOST bytes."""
    chunks: list[bytes] = []
    size, end = 0, time.monotonic() + seconds
    while True:
        if not select.select([handle], [], [], max(0.0, end - time.monotonic()))[0]:
            raise ScorerDied(f"no answer within {seconds:g} s")
        chunk = os.read(handle, 2**16)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)
        size += len(chunk)
        if size > ANSWER_MOST:
            raise ScorerDied(f"an answer of more than {ANSWER_MOST} bytes")
