"""Servers to be killed: each is forked from this process, which has imported everything already.

A line of JSON on standard input starts one and answers with its process id.
"""

import json
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import uvicorn

from leaderboard.server.app import create_app
from leaderboard.server.settings import Settings

LEASE_SECONDS = 1.0
MANY = {"submission": ((10**9, timedelta(days=1)),)}


def serve(db: str, data: str, port: int) -> None:
    """One server, until it is killed."""
    settings = Settings(
        db=db, data=Path(data), quotas=MANY, lease_seconds=LEASE_SECONDS, writes_per_minute=10**9
    )
    uvicorn.run(create_app(settings), host="127.0.0.1", port=port, log_level="critical", access_log=False)


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            os.setsid()
            sys.stdin.close()
            serve(**json.loads(line))
            os._exit(0)
        print(process, flush=True)
