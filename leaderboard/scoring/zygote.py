"""The process that scorers are forked from: it has imported all they need, and knows nothing of the server.

`sandbox.py` starts it with an empty environment and one socket. Each message names a bundle's files, whose
open handles come with it; the last handle takes the answer. It ends when the server does. It never imports
torch, and what it forks can do little (see `give_up`).
"""

import ctypes
import json
import os
import resource
import signal
import socket
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from leaderboard.bundle.names import canonical
from leaderboard.bundle.problem import BundleError
from leaderboard.bundle.validate import decode, validate
from leaderboard.scoring.wire import to_wire
from metanas.evaluation import result

MESSAGE_MOST, HANDLES_MOST = 2**16, 16
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000


def main(channel: socket.socket) -> None:
    """Fork a scorer per message until the other side closes."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: their answer is a pipe
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's
    while True:
        message, handles, _, _ = socket.recv_fds(channel, MESSAGE_MOST, HANDLES_MOST)
        if not message:
            return
        if os.fork() == 0:
            try:
                channel.close()
                score(json.loads(message), handles)
            finally:
                os._exit(1)
        for handle in handles:
            os.close(handle)


def warm() -> None:
    """Let PyArrow import now what it imports with its first table, once for all forks."""
    sink, table = pa.BufferOutputStream(), pa.table({"a": np.arange(2)})
    pq.write_table(table, sink)
    result.parse_table("warm", sink.getvalue().to_pybytes(), table.schema)


def score(message: dict[str, Any], handles: list[int]) -> None:
    """In the forked process: give up rights, read, score, answer, end."""
    give_up(message["limits"])
    *files, answer = handles
    members = {}
    for name, handle in zip(message["names"], files, strict=True):
        with os.fdopen(handle, "rb") as file:
            members[name] = file.read()
    try:
        secret = int(message["secret"])
        if secret:
            found = decode(members, result.parse(members[result.SUBMISSION]), secret=secret)
        else:
            found = validate(members)
        content = to_wire(found)
    except BundleError as error:
        content = canonical({"problems": [problem.as_json() for problem in error.problems]})
    with os.fdopen(answer, "wb") as pipe:
        pipe.write(content)
    os._exit(0)


def give_up(limits: dict[str, Any]) -> None:
    """Rights that this process has no use for, for good."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits["open_files"],) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (limits["cpu_seconds"],) * 2)
    resource.setrlimit(resource.RLIMIT_AS, (limits["memory_bytes"],) * 2)
    signal.setitimer(signal.ITIMER_REAL, limits["wall_seconds"])  # the kernel ends it, whatever it does
    ctypes.CDLL(None).unshare(CLONE_NEWUSER | CLONE_NEWNET)  # no network, where the kernel allows that


if __name__ == "__main__":
    warm()
    main(socket.socket(fileno=0))
