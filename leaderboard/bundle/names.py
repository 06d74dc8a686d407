"""The files of a bundle (the unit of submission), their size limits, and the digest that identifies a bundle.

Next: `entry.py` is the file that a person writes, `pack.py` makes a bundle, `reading.py` reads one.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metanas.evaluation.controls import CONTROLS
from metanas.evaluation.regret import CANDIDATES
from metanas.evaluation.result import PREDICTIONS, SUBMISSION

ENTRY = "entry.json"
ARCHITECTURE = "architecture.json"
CURVES = "curves.parquet"
README = "README.md"
PERSONAL = (ENTRY, README)  # what people write about themselves

KIB, MIB = 2**10, 2**20


@dataclass(frozen=True)
class Allowed:
    """A file that a bundle may hold. most: its largest size in bytes; required: whether it must be there."""

    most: int
    required: bool = False


FILES: Mapping[str, Allowed] = {
    SUBMISSION: Allowed(256 * KIB, required=True),
    PREDICTIONS: Allowed(64 * MIB, required=True),
    ENTRY: Allowed(64 * KIB, required=True),
    ARCHITECTURE: Allowed(4 * MIB),
    CURVES: Allowed(16 * MIB),
    CONTROLS: Allowed(16 * MIB),
    CANDIDATES: Allowed(16 * MIB),
    README: Allowed(64 * KIB),
}
ZIP_MOST = 32 * MIB  # largest bundle as a zip file
Members = Mapping[str, bytes]  # file name -> content


def canonical(value: Any) -> bytes:
    """Canonical JSON, for hashing and signing: sorted keys, no spaces, ASCII.

    RFC 8785 except for the exponents of floats. ValueError for NaN and infinities.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def hashes(members: Members) -> dict[str, str]:
    """SHA-256 (hexadecimal) by file name, sorted by name."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in sorted(members.items())}


def bundle_digest(members: Members) -> str:
    """SHA-256 over all names and contents: the same for a folder and for any zip of it."""
    return hashlib.sha256(canonical(hashes(members))).hexdigest()
