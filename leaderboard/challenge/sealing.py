"""Sealed episodes of a challenge: which tasks can be sealed, their inputs, and the seed of their labels.

The seed is HMAC-SHA-256 of the challenge's id under a secret in the board's data folder, so only this server
can compute the labels, and they are not stored. Next: `register.py` hands out the inputs, `answer.py` scores
the answers.
"""

import hmac
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from leaderboard.accounts import receipts
from leaderboard.bundle.names import Members
from leaderboard.store.blobs import Blobs
from leaderboard.store.models import Challenge
from metanas.base.errors import MetanasError
from metanas.data.sealed import SealedTask, request, sealable
from metanas.evaluation.result import PREDICTIONS, SUBMISSION, Submission, Task

SECRET = "challenge-secret.hex"
DRAW_SECONDS = 300.0  # time limit of the process that draws episodes


class NotSealable(ValueError):
    """A domain cannot be sealed: it is public data, or not in the submission."""


class DrawError(MetanasError):
    """The episodes could not be drawn on this server."""


def sealed_tasks(submission: Submission, domains: Sequence[str], episodes: int) -> list[SealedTask]:
    """The tasks of a submission that a challenge consists of.

    domains: none for all that can be sealed; episodes: per task.
    NotSealable names a domain of public data, or one that the submission lacks.
    """
    tasks = [task for task in submission.tasks if task.fewest_ways is None]  # drawn ways are of pinned ones
    submitted = list(dict.fromkeys(task.domain for task in tasks))
    can = [domain for domain in submitted if sealable(domain)]
    public = f"public data sets cannot be sealed: whoever has {{}} has its labels; of {submission.suite}, "
    rest = f"{' and '.join(can)} can be challenged" if can else "no domain can be challenged"
    for domain in domains:
        if domain not in submitted:
            raise NotSealable(f"the submission has no domain {domain!r:.80}; it has: {', '.join(submitted)}")
        if domain not in can:
            raise NotSealable(public.format(domain) + rest)
    if not can:
        raise NotSealable(public.format("/".join(submitted)) + rest)
    wanted = domains or can
    return [SealedTask(t.domain, t.shape, episodes) for t in tasks if t.domain in wanted]


def number_of(key: bytes, challenge: str) -> int:
    """The seed of a challenge's labels: HMAC-SHA-256 of its id under the board's secret `key`."""
    return int.from_bytes(hmac.digest(key, challenge.encode(), "sha256"), "big")


def as_json(tasks: Sequence[SealedTask]) -> str:
    """Tasks as they are stored in a challenge's row."""
    return json.dumps([task.as_json() for task in tasks])


def document(submission: Submission, stored: str, episodes: str, predictions: str) -> bytes:
    """A submission.json for the answers to a challenge: the submission's own with the challenge's tasks.

    stored: the tasks from `as_json`; episodes, predictions: SHA-256 of the inputs and of the answers.
    """
    by_shape = {(t.domain, t.shape.ways, t.shape.shots): t for t in submission.tasks}
    tasks: list[Task] = [
        by_shape[sealed["domain"], sealed["ways"], sealed["shots"]].model_copy(
            update={"episodes": sealed["episodes"], "manifest": episodes, "synthetic": True}
        )
        for sealed in json.loads(stored)
    ]
    changed = submission.model_copy(update={"tasks": tuple(tasks), "predictions_sha256": predictions})
    return changed.model_dump_json().encode()


def answered(row: Challenge, submission: Submission, data: Path, blobs: Blobs) -> tuple[Members, int]:
    """The files that an answered challenge is scored from, and the seed of its labels. data: see `secret`."""
    changed = document(submission, row.tasks, row.episodes or "", row.predictions or "")
    members = {SUBMISSION: changed, PREDICTIONS: blobs.get(row.predictions or "")}
    return members, number_of(secret(data), row.id)


def secret(data: Path) -> bytes:
    """The board's secret, 32 bytes in its data folder, created if missing. ReceiptError if unusable."""
    return receipts.secret(data / SECRET)


def drawn(number: int, tasks: Sequence[SealedTask]) -> bytes:
    """The inputs of the episodes as safetensors, made in a subprocess, since speech needs torch.

    number: the seed. DrawError if the process fails or takes longer than DRAW_SECONDS.
    """
    environment = {
        name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")
    }
    environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
    environment["OMP_NUM_THREADS"] = "1"
    with TemporaryDirectory(prefix="metanas-draw-") as folder:
        path = Path(folder) / "episodes.safetensors"
        try:
            subprocess.run(
                [sys.executable, "-m", "metanas.data.sealed", str(path)],
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
