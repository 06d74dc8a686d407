"""Independent pieces of work over processes: a local pool, or Ray by one word.

A piece is a picklable function and its argument; it must leave its result on disk, whole or not at all, and
find it again, so that a piece whose worker died is simply run once more: nothing is done or counted twice.
"""

import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Literal, TypeVar

T = TypeVar("T")
Kind = Literal["local", "ray"]
TRIES = 3  # of a piece whose worker dies


class ExecutorError(RuntimeError):
    """Work could not be placed or done."""


def run(work: Callable[[T], None], pieces: Sequence[T], *, jobs: int, kind: Kind = "local") -> Iterator[int]:
    """Do all pieces, at most `jobs` at once; yields the index of each as it is done.

    An exception of a piece is raised here and ends the rest. ExecutorError if workers keep dying, or for
    `ray` without the package.
    """
    if jobs < 1:
        raise ValueError(f"jobs must be positive, got {jobs}")
    yield from (_ray if kind == "ray" else _local)(work, pieces, jobs)


def _local(work: Callable[[T], None], pieces: Sequence[T], jobs: int) -> Iterator[int]:
    left = dict(enumerate(pieces))
    for _ in range(TRIES):
        if not left:
            return
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(jobs, len(left)), context, _begin, (jobs,)) as pool:
            futures = {pool.submit(work, piece): index for index, piece in left.items()}
            try:
                for future in as_completed(futures):
                    future.result()
                    del left[futures[future]]
                    yield futures[future]
            except BrokenProcessPool:
                continue  # a worker was killed; what is left goes to a new pool
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    if left:
        raise ExecutorError(f"{len(left)} pieces of work lost their worker {TRIES} times; out of memory?")


def _begin(jobs: int) -> None:
    end_with_parent()
    share_cores(jobs)


def share_cores(jobs: int) -> None:
    """In one of `jobs` workers: its share of the threads that OMP_NUM_THREADS or the machine allows."""
    import torch

    torch.set_num_threads(max(1, torch.get_num_threads() // jobs))


def end_with_parent() -> None:
    """In a worker, busy or idle: end when the parent was killed, since nobody wants its work any more."""
    process = multiprocessing.parent_process()

    def watch() -> None:
        while process is not None and os.getppid() == process.pid:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _ray(work: Callable[[T], None], pieces: Sequence[T], jobs: int) -> Iterator[int]:
    try:
        import ray
    except ImportError:
        raise ExecutorError("--executor ray needs the extra: pip install 'metanas[ray]'") from None
    ours = not ray.is_initialized()
    if ours:  # RAY_ADDRESS names a cluster; without it one is started here
        local: dict[str, Any] = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": jobs}
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, **local)
    try:
        remote = ray.remote(max_retries=TRIES - 1)(work)
        pending = {remote.remote(piece): index for index, piece in enumerate(pieces)}
        while pending:
            (done,), _ = ray.wait(list(pending), num_returns=1)
            try:
                ray.get(done)
            except ray.exceptions.WorkerCrashedError as error:
                raise ExecutorError(f"a piece of work lost its worker {TRIES} times: {error}") from error
            except ray.exceptions.RayTaskError as error:
                raise error.cause from error
            yield pending.pop(done)
    finally:
        if ours:
            ray.shutdown()
