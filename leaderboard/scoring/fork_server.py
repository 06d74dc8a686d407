"""The fork server: a process that has imported everything a scorer needs and forks one per bundle.

`sandbox.py` starts it with an almost empty environment and one socket, so it has no database connection, key
or token of the server. Each message names the files of a bundle and carries their open file descriptors; the
last descriptor is the pipe for the answer (`transport.py`). Forked scorers first drop their rights
(`give_up`). The process ends when the server closes the socket. It never imports torch.
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

from leaderboard.bundle import rules
from leaderboard.bundle.names import canonical
from leaderboard.bundle.problem import BundleError
from leaderboard.scoring.transport import to_wire
from leaderboard.scoring.validate import decode, validate
from metanas.base.ranges import STORED
from metanas.data.suite import Suite
from metanas.evaluation import result

MESSAGE_MOST, HANDLES_MOST = 2**16, 16  # bytes of a message; file descriptors with it
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000  # flags of unshare(2)


def main(channel: socket.socket) -> None:
    """Fork a scorer for each message until the other side closes the socket."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: their answer is a pipe
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's
    while True:
        message, handles, _, _ = socket.recv_fds(channel, MESSAGE_MOST, HANDLES_MOST)
        if not message:
            return
        if os.fork() == 0:
            try:
                channel.close()
                _score(json.loads(message), handles)
            finally:
                os._exit(1)
        for handle in handles:
            os.close(handle)


def _warm_up() -> None:
    """Read a first table, so that PyArrow imports its parts once instead of in every fork."""
    sink, table = pa.BufferOutputStream(), pa.table({"a": np.arange(2)})
    pq.write_table(table, sink)
    result.parse_table("warm", sink.getvalue().to_pybytes(), table.schema)


def _score(message: dict[str, Any], handles: list[int]) -> None:
    """In the forked process: drop rights, read the files, score them, write the answer, exit.

    message: "names" of the files, "limits" (see `give_up`), "secret" (see `validate.decode`; 0: a bundle),
    "suite": whether a file with the suite follows. handles: one file descriptor per name, that of the suite,
    then the pipe.
    """
    give_up(message["limits"])
    *files, answer = handles
    find: rules.FindSuite = rules.installed
    if message["suite"]:
        with os.fdopen(files.pop(), "rb") as file:
            find = rules.given(Suite.model_validate_json(file.read(), context=STORED))
    members = {}
    for name, handle in zip(message["names"], files, strict=True):
        with os.fdopen(handle, "rb") as file:
            members[name] = file.read()
    try:
        secret = int(message["secret"])
        if secret:
            scored = decode(members, result.parse(members[result.SUBMISSION]), secret=secret)
        else:
            scored = validate(members, find)
        content = to_wire(scored)
    except BundleError as error:
        content = canonical({"problems": [problem.as_json() for problem in error.problems]})
    with os.fdopen(answer, "wb") as pipe:
        pipe.write(content)
    os._exit(0)


def give_up(limits: dict[str, Any]) -> None:
    """Restrict this process for good: no network, no file written, limited time and memory.

    limits: the fields of `sandbox.Limits`.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits["open_files"],) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (limits["cpu_seconds"],) * 2)
    resource.setrlimit(resource.RLIMIT_AS, (limits["memory_bytes"],) * 2)
    signal.setitimer(signal.ITIMER_REAL, limits["wall_seconds"])  # the kernel ends it, whatever it does
    ctypes.CDLL(None).unshare(CLONE_NEWUSER | CLONE_NEWNET)  # no network, where the kernel allows that


if __name__ == "__main__":
    _warm_up()
    main(socket.socket(fileno=0))
