"""Data preparation: download where allowed and needed, build the caches, verify them (`metanas data`)."""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from metanas.base.errors import DataError, MetanasError
from metanas.base.plugins import PluginError
from metanas.data import manifest, store
from metanas.data.adapter import DOMAINS
from metanas.data.download import DownloadProgress
from metanas.data.files import FromFiles
from metanas.data.roots import DataRoot, root_of


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
    root: DataRoot,
    *,
    refresh: bool = False,
    on_progress: DownloadProgress = lambda file, received, total: None,
) -> Iterator[Prepared]:
    """Prepare the domains in turn. Without `root`, missing files are downloaded.

    refresh: build all anew from their sources, also what is ready.

    A domain that fails is reported as such, and the others are still prepared.
    """
    for name in names:
        began = time.monotonic()
        try:
            _obtain(name, root, on_progress)
            action = "ready" if store.is_ready(name, root) and not refresh else "built"
            opened = store.open_store(name, root, refresh=refresh)
        except (MetanasError, OSError) as error:
            yield Prepared(name, "failed", time.monotonic() - began, problem=str(error))
            continue
        seconds = time.monotonic() - began
        if why := manifest.refusal(name, opened.fingerprint, sample=opened.examples.sample):
            yield Prepared(name, "refused", seconds, opened.examples.sample, opened.fingerprint, why)
            continue
        yield Prepared(name, action, seconds, opened.examples.sample, opened.fingerprint)


def _obtain(name: str, root: DataRoot, on_progress: DownloadProgress) -> None:
    adapter = DOMAINS[name]()
    if root_of(root, name) is not None or not isinstance(adapter, FromFiles):
        return
    try:
        adapter.locate(None)
    except DataError:
        adapter.download(on_progress)


class Verified(NamedTuple):
    """What a domain's cache is. state: whole | other | damaged | missing | broken; detail: what was found.

    broken: the package that has the domain cannot be loaded.
    """

    name: str
    state: str
    detail: str

    @property
    def is_good(self) -> bool:
        """Whether a run would take it; what was never built is no fault."""
        return self.state in ("whole", "missing")


def verify(names: Sequence[str], root: DataRoot) -> Iterator[Verified]:
    """Check every file of the domains' caches against its SHA-256, and the data against what suites pin.

    Nothing is built. "other": whole, but no suite was pinned on such data, so that every run refuses it.
    """
    for name in names:
        try:
            if not store.is_ready(name, root):
                yield Verified(name, "missing", f"not built: metanas data prepare {name}")
                continue
            opened = store.open_store(name, root)
        except PluginError as error:
            yield Verified(name, "broken", str(error))
            continue
        except (MetanasError, OSError) as error:
            state = "damaged" if "damaged" in str(error) else "missing"
            yield Verified(name, state, str(error))
            continue
        kind = "sample" if opened.examples.sample else "full"
        pins = manifest.pins(name, sample=opened.examples.sample)
        equal = [suite for suite, pinned in pins.items() if pinned == opened.fingerprint]
        if equal or not pins:
            as_what = f"as {', '.join(equal)} pins it" if equal else "in no suite"
            yield Verified(name, "whole", f"{kind} {opened.fingerprint[:12]}, {as_what}")
        else:
            yield Verified(
                name,
                "other",
                f"{kind} {opened.fingerprint[:12]} is not what {', '.join(pins)} was pinned on: files are "
                f"missing or of another version; mend {'the downloads' if root is None else root}, then run "
                f"metanas data prepare {name} --refresh",
            )
