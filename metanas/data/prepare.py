"""Data preparation: download where allowed and needed, build the caches, verify them (`metanas data`)."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from metanas.base.errors import DataError
from metanas.data import manifest, store
from metanas.data.adapter import DOMAINS
from metanas.data.download import DownloadProgress
from metanas.data.files import FromFiles


class Prepared(NamedTuple):
    """The outcome for one domain. problem: why it failed or is refused, else empty."""

    name: str
    action: str  # "ready" | "built" | "failed" | "refused": read, but other data than a suite was pinned on
    seconds: float
    sample: bool = False
    fingerprint: str = ""
    problem: str = ""


def prepare(
    names: Sequence[str],
    root: Path | None,
    *,
    on_progress: DownloadProgress = lambda file, received, total: None,
) -> Iterator[Prepared]:
    """Prepare the domains in turn. Without `root`, missing files are downloaded.

    A domain that fails is reported as such, and the others are still prepared.
    """
    for name in names:
        began = time.monotonic()
        try:
            _obtain(name, root, on_progress)
            action = "ready" if store.is_ready(name, root) else "built"
            opened = store.open_store(name, root)
        except DataError as error:
            yield Prepared(name, "failed", time.monotonic() - began, problem=str(error))
            continue
        seconds = time.monotonic() - began
        if why := manifest.refusal(name, opened.fingerprint, sample=opened.examples.sample):
            yield Prepared(name, "refused", seconds, opened.examples.sample, opened.fingerprint, why)
            continue
        yield Prepared(name, action, seconds, opened.examples.sample, opened.fingerprint)


def _obtain(name: str, root: Path | None, on_progress: DownloadProgress) -> None:
    adapter = DOMAINS[name]()
    if root is not None or not isinstance(adapter, FromFiles):
        return
    try:
        adapter.locate(None)
    except DataError:
        adapter.download(on_progress)
