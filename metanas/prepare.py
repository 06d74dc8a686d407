"""Make the data of domains ready: download where that is allowed and needed, build, verify."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from metanas import store
from metanas.fetch import Tell
from metanas.kinds import DOMAINS
from metanas.source import FromFiles
from metanas.store import DataError


class Prepared(NamedTuple):
    """What became of one domain. problem: empty if it is ready."""

    name: str
    action: str  # "ready" | "built" | "failed"
    seconds: float
    sample: bool = False
    fingerprint: str = ""
    problem: str = ""


def prepare(
    names: Sequence[str], root: Path | None, *, tell: Tell = lambda file, here, total: None
) -> Iterator[Prepared]:
    """Each domain in turn. Without `root`, files that are not there are downloaded.

    A domain that cannot be had does not keep the others from being prepared.
    """
    for name in names:
        began = time.monotonic()
        try:
            _obtain(name, root, tell)
            action = "ready" if store.is_ready(name, root) else "built"
            opened = store.open_store(name, root)
        except DataError as error:
            yield Prepared(name, "failed", time.monotonic() - began, problem=str(error))
            continue
        seconds = time.monotonic() - began
        yield Prepared(name, action, seconds, opened.examples.sample, opened.fingerprint)


def _obtain(name: str, root: Path | None, tell: Tell) -> None:
    adapter = DOMAINS[name]()
    if root is not None or not isinstance(adapter, FromFiles):
        return
    try:
        adapter.locate(None)
    except DataError:
        adapter.download(tell)
