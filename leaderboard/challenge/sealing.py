"""What a challenge asks: which tasks can be sealed, whose labels they have, and their inputs, freshly drawn.

The labels of a challenge follow from a number that only this server can compute: HMAC-SHA-256 of its id under
the secret in the board's data folder. Next: `register.py` hands out episodes, `answer.py` takes answers.
"""

import hmac
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from leaderboard.accounts import receipts
from leaderboard.bundle.names import Members
from leaderboard.store.blobs import Blobs
from leaderboard.store.models import Challenge
from metanas.evaluation.result import PREDICTIONS, SUBMISSION, Submission, Task
from metanas.sealed import SealedTask, request, sealable

SECRET = "challenge-secret.hex"
DRAW_SECONDS = 300.0  # until the process that draws is ended
_one_at_a_time = Lock()


class NotSealable(ValueError):
    """These domains are public data; the message says what would be right."""


class DrawError(RuntimeError):
    """The episodes could not be drawn on this server."""


def sealed_tasks(submission: Submission, domains: Sequence[str], episodes: int) -> list[SealedTask]:
    """What a submission can be challenged on: its tasks of these domains, of all that can be sealed if none.

    NotSealable names a domain whose episodes anyone could look up.
    """
    there = list(dict.fromkeys(task.domain for task in submission.tasks))
    can = [domain for domain in there if sealable(domain)]
    public = f"public data sets cannot be sealed: whoever has {{}} has its labels; of {submission.suite}, "
    rest = f"{' and '.join(can)} can be challenged" if can else "no domain can be challenged"
    for domain in domains:
        if domain not in there:
            raise NotSealable(f"the submission has no domain {domain!r:.80}; it has: {', '.join(there)}")
        if domain not in can:
            raise NotSealable(public.format(domain) + rest)
    if not can:
        raise NotSealable(public.format("/".join(there)) + rest)
    wanted = domains or can
    return [SealedTask(t.domain, t.shape, episodes) for t in submission.tasks if t.domain in wanted]


def number_of(key: bytes, challenge: str) -> int:
    """The number that a challenge's labels follow from."""
    return int.from_bytes(hmac.digest(key, challenge.encode(), "sha256"), "big")


def as_json(tasks: Sequence[SealedTask]) -> str:
    """How a challenge's tasks are kept."""
    return json.dumps([task.as_json() for task in tasks])


def document(submission: Submission, kept: str, episodes: str, predictions: str) -> bytes:
    """submission.json of the answers to a challenge. kept: as `as_json` gave it; the others: SHA-256."""
    mine = {(t.domain, t.shape.ways, t.shape.shots): t for t in submission.tasks}
    tasks: list[Task] = [
        mine[found["domain"], found["ways"], found["shots"]].model_copy(
            update={"episodes": found["episodes"], "manifest": episodes, "synthetic": True}
        )
        for found in json.loads(kept)
    ]
    changed = submission.model_copy(update={"tasks": tuple(tasks), "predictions_sha256": predictions})
    return changed.model_dump_json().encode()


def answered(row: Challenge, submission: Submission, data: Path, blobs: Blobs) -> tuple[Members, int]:
    """What an answered challenge is scored from, and the number of its labels. data: the board's folder."""
    about = document(submission, row.tasks, row.episodes or "", row.predictions or "")
    members = {SUBMISSION: about, PREDICTIONS: blobs.get(row.predictions or "")}
    return members, number_of(secret(data), row.id)


def secret(data: Path) -> bytes:
    """The secret of a board, in its data folder; made if it is not there."""
    return receipts.secret(data / SECRET)


def drawn(number: int, tasks: Sequence[SealedTask]) -> bytes:
    """The inputs as safetensors, made by a process of its own: speech needs torch, a server does not.

    DrawError says why not.
    """
    environment = {
        name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")
    }
    environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
    environment["OMP_NUM_THREADS"] = "1"
    with _one_at_a_time, TemporaryDirectory(prefix="metanas-draw-") as folder:
        path = Path(folder) / "episodes.safetensors"
        try:
            subprocess.run(
                [sys.executable, "-m", "metanas.sealed", str(path)],
                input=request(number, tasks),
                env=environment,
                capture_output=True,
                timeout=DRAW_SECONDS,
                check=True,
            )
            return path.read_bytes()
        except subprocess.CalledProcessError as error:
            last = error.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise DrawError(f"this server could not draw episodes: {last[-300:]}") from error
        except (subprocess.TimeoutExpired, OSError) as error:
            raise DrawError(f"this server could not draw episodes: {error!r:.300}") from error
