"""What a suite was pinned on: fingerprints of the data and hashes of the test episodes' index lists.

`python -m metanas.manifest SUITE [DATA_ROOT]` writes `tasks/manifests/<suite>.json`; a run checks it, so
that a changed package or file is an error with both hashes and never a silently different score.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from metanas import plugins
from metanas.domain import Domain
from metanas.episode import EpisodeShape, digest, sample
from metanas.store import DataError
from metanas.suite import Suite, load_suite


def path(suite: str) -> Path:
    """Where the manifest of a suite lies."""
    return plugins.folder("tasks") / "manifests" / f"{suite}.json"


def episodes_hash(domain: Domain, shape: EpisodeShape, episodes: int) -> str:
    """SHA-256 of the pinned test episodes 0..episodes-1."""
    return digest(sample(domain.tables["test"], 0, shape, np.arange(episodes)))


def describe(domain: Domain, suite: Suite) -> dict[str, Any]:
    """The manifest entry of a domain as it is on this machine."""
    hashes = {str(shape): episodes_hash(domain, shape, suite.episodes) for shape in suite.shapes(domain.name)}
    return {"fingerprint": domain.store.fingerprint, "episodes": suite.episodes, "test": hashes}


def check(domain: Domain, suite: Suite) -> None:
    """DataError with both hashes if the data is not what the suite was pinned on."""
    entries = json.loads(path(suite.name).read_text(encoding="utf-8"))
    kind = "sample" if domain.store.examples.sample else "full"
    pinned = entries.get(domain.name, {}).get(kind)
    if pinned is None:
        raise DataError(f"{domain.name} ({kind}) is not pinned in {suite.name}; it has no manifest entry")
    if domain.store.fingerprint != pinned["fingerprint"]:
        raise DataError(
            f"{domain.name}: the data has fingerprint {domain.store.fingerprint}, {suite.name} was pinned on "
            f"{pinned['fingerprint']}; a package version or file has changed (see requirements.txt)"
        )
    found = describe(domain, suite)["test"]
    for shape in suite.shapes(domain.name):
        expected = pinned["test"].get(str(shape))
        if expected is not None and pinned["episodes"] == suite.episodes and found[str(shape)] != expected:
            raise DataError(
                f"{domain.name}: the test episodes {shape} hash to {found[str(shape)]}, "
                f"{suite.name} was pinned on {expected}"
            )


def write(suite: Suite, root: Path | None) -> None:
    """Pin a suite on the data of this machine; entries for data that is not here are kept."""
    file = path(suite.name)
    entries = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for name in suite.domains:
        domain = Domain.open(name, root)
        kind = "sample" if domain.store.examples.sample else "full"
        entries.setdefault(name, {})[kind] = describe(domain, suite)
    file.write_text(json.dumps(entries, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(load_suite(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
