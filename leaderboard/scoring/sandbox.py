"""Score a stranger's bundle in a process that can do little: a hostile file costs its own job, no more.

The process is forked from a clean one (Python's fork server, which has no connection, key or token of
ours) and, before it reads anything, gives up: more than `Limits` of processor time and memory, writing any
file, more than a few open files, new processes, and the network where the kernel lets it. What it
returns is JSON, never pickle, and is checked again. It never imports torch.
"""

import base64
import ctypes
import json
import multiprocessing
import resource
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from leaderboard.bundle.names import canonical
from leaderboard.bundle.problem import BundleError, Problem
from leaderboard.bundle.validate import validate
from leaderboard.scoring.scores import Scored, TaskScore
from metanas.evaluation import result

ANSWER_MOST = 64 * 2**20
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000


@dataclass(frozen=True)
class Limits:
    """What a scorer may use."""

    cpu_seconds: int = 10
    wall_seconds: float = 30.0
    memory_bytes: int = 2 * 2**30
    open_files: int = 64


class ScorerDied(RuntimeError):
    """The scorer ended without an answer."""


def prepare() -> None:
    """Start the clean process ahead of the first job; call it once, before threads are many."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])


def run(files: Mapping[str, Path], limits: Limits) -> Scored:
    """Scores of a bundle. BundleError if it is not valid, ScorerDied if the process ended otherwise."""
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe(duplex=False)
    paths = {name: str(path) for name, path in files.items()}
    process = context.Process(target=child, args=(theirs, paths, limits), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(limits.wall_seconds):
            raise ScorerDied(f"no answer within {limits.wall_seconds:g} s")
        answer = json.loads(ours.recv_bytes(ANSWER_MOST))
    except (EOFError, OSError) as error:
        process.join(5)
        raise ScorerDied(f"ended with code {process.exitcode}; a limit was passed or it crashed") from error
    finally:
        ours.close()
        process.kill()
        process.join()
        process.close()
    if "problems" in answer:
        raise BundleError([Problem(**found) for found in answer["problems"]])
    return from_wire(answer, files[result.SUBMISSION].read_bytes())


def child(answer: Connection, files: Mapping[str, str], limits: Limits) -> None:
    """In the process: give up rights, read, score, answer."""
    give_up(limits)
    try:
        members = {name: Path(path).read_bytes() for name, path in files.items()}
        content = to_wire(validate(members))
    except BundleError as error:
        content = canonical({"problems": [problem.as_json() for problem in error.problems]})
    answer.send_bytes(content)


def give_up(limits: Limits) -> None:
    """Limits of this process, for good."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits.open_files, limits.open_files))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds))
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER | CLONE_NEWNET)  # where it is allowed


def to_wire(scored: Scored) -> bytes:
    """Scores as JSON."""
    tasks = [
        {
            "task": task.task,
            "seeds": len(task.right),
            "queries": task.queries,
            "right": base64.b64encode(np.ascontiguousarray(task.right, "<u2").tobytes()).decode(),
            "summary": dict(task.summary),
        }
        for task in scored.tasks
    ]
    return canonical({"tasks": tasks, "architectures": dict(scored.architectures)})


def from_wire(answer: Mapping[str, Any], document: bytes) -> Scored:
    """The same back, checked against submission.json. ScorerDied if it does not fit."""
    submission = result.parse(document)
    tasks = []
    for task, found in zip(submission.tasks, answer["tasks"], strict=True):
        right = np.frombuffer(base64.b64decode(found["right"]), "<u2").reshape(-1, task.episodes)
        queries = task.ways * task.queries
        if found["task"] != task.name or len(right) != len(submission.seeds) or right.max() > queries:
            raise ScorerDied(f"an answer that does not fit task {task.name}")
        tasks.append(TaskScore(task.name, right, queries, found["summary"]))
    return Scored(submission, tuple(tasks), answer["architectures"])
