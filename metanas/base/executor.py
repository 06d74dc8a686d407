"""Independent pieces of work over processes: a local pool, a Ray cluster, or this process.

A piece is a picklable argument of a function. It must leave its result on disk, whole or not at all, and find
it again, so that a piece whose worker died is simply run once more: nothing is done or counted twice.

The local pool is loky's, which does not import the caller's `__main__`: a plain script needs no
`if __name__ == "__main__":` guard.
"""

import logging
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from queue import Empty
from typing import Any, Literal, TypeVar

from metanas.base.errors import InvalidValue, MetanasError

T = TypeVar("T")
Kind = Literal["local", "ray", "inline"]
Report = Callable[[str, int], None]  # (what is being done, units done): a piece tells how far it is
OnProgress = Callable[[int, str, int], None]  # the same with the index of the piece, in the parent
Work = Callable[[T, Report], None]
TRIES = 3  # of a piece whose worker dies
_messages: Any = None  # in a worker: the queue to the parent


class ExecutorError(MetanasError):
    """Work could not be placed or done."""


def run(
    work: Work[T],
    pieces: Sequence[T],
    *,
    jobs: int,
    kind: Kind = "local",
    on_progress: OnProgress = lambda index, doing, done: None,
    cards: int = 0,
) -> Iterator[int]:
    """Do all pieces, at most `jobs` at once; yields the index of each as it is done.

    kind: `local` worker processes, `ray`, or `inline` in this process, one after the other. on_progress: what
    the pieces report (not from Ray's workers). cards: GPUs that Ray keeps for a piece. An exception of a
    piece is raised here and ends the rest.
    ExecutorError if workers keep dying, or for `ray` without the package.
    """
    if jobs < 1:
        raise InvalidValue(f"jobs must be positive, got {jobs}")
    jobs = min(jobs, max(len(pieces), 1))  # workers share the cores: none of them lies idle
    if kind == "ray":
        yield from _ray(work, pieces, jobs, cards)
    elif kind == "local":
        yield from _local(work, pieces, jobs, on_progress)
    else:
        for index, piece in enumerate(pieces):
            work(piece, lambda doing, done, index=index: on_progress(index, doing, done))  # type: ignore[misc]
            yield index


def _local(work: Work[T], pieces: Sequence[T], jobs: int, on_progress: OnProgress) -> Iterator[int]:
    from loky.backend import get_context
    from loky.process_executor import ProcessPoolExecutor

    # loky starts a worker anew that has grown by 300 MB, which data sets do; nothing is lost
    warnings.filterwarnings("ignore", message="A worker was restarted while some jobs")
    left = dict(enumerate(pieces))
    for _ in range(TRIES):
        if not left:
            return
        context = get_context("loky")
        queue = context.Queue()
        pool = ProcessPoolExecutor(
            jobs, context=context, initializer=_begin, initargs=(queue, jobs, os.getpid())
        )
        with _listening(queue, on_progress):
            try:
                futures: dict[Future[None], int] = {
                    pool.submit(_piece, work, index, piece): index for index, piece in left.items()
                }
                for future in as_completed(futures):
                    future.result()
                    del left[futures[future]]
                    yield futures[future]
            except BrokenProcessPool:
                pool.shutdown(kill_workers=True)  # a worker was killed; what is left goes to a new pool
            except BaseException:
                pool.shutdown(kill_workers=True)
                raise
            else:
                pool.shutdown()
    if left:
        raise ExecutorError(f"{len(left)} pieces of work lost their worker {TRIES} times; out of memory?")


def _piece(work: Work[T], index: int, piece: T) -> None:
    """One piece in a worker of the local pool."""
    work(piece, lambda doing, done: _messages.put((index, doing, done)))


def _begin(queue: Any, jobs: int, parent: int) -> None:
    global _messages
    _messages = queue
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides, and ends us
    end_with(parent)
    share_cores(jobs)


@contextmanager
def _listening(queue: Any, on_progress: OnProgress) -> Iterator[None]:
    """Pass on what the workers report, in a thread, until the block ends."""
    stop = threading.Event()

    def listen() -> None:
        while not (stop.is_set() and queue.empty()):
            try:
                on_progress(*queue.get(timeout=0.1))
            except Empty:
                continue

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def share_cores(jobs: int) -> None:
    """In one of `jobs` workers: its share of the threads that OMP_NUM_THREADS or the machine allows."""
    import torch

    torch.set_num_threads(max(1, torch.get_num_threads() // jobs))


def end_with(parent: int) -> None:
    """In a worker, busy or idle: end when the parent with this process id is killed, or was killed before."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _quietly(work: Work[T], piece: T) -> None:
    work(piece, lambda doing, done: None)


def _ray(work: Work[T], pieces: Sequence[T], jobs: int, cards: int) -> Iterator[int]:
    try:
        import ray
    except ImportError:
        raise ExecutorError("--executor ray needs the extra: pip install 'metanas[ray]'") from None
    ours = not ray.is_initialized()
    if ours:  # RAY_ADDRESS names a cluster; without it one is started here
        local: dict[str, Any] = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": jobs}
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, **local)
    try:
        remote: Any = ray.remote(max_retries=TRIES - 1, num_gpus=cards)(_quietly)
        pending = {remote.remote(work, piece): index for index, piece in enumerate(pieces)}
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
