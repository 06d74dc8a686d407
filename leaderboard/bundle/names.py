"""What a bundle consists of: exactly these files, and the digest that names them all together."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metanas.evaluation.result import PREDICTIONS, SUBMISSION

ENTRY = "entry.json"
ARCHITECTURE = "architecture.json"
CURVES = "curves.parquet"
README = "README.md"

KIB, MIB = 2**10, 2**20


@dataclass(frozen=True)
class Allowed:
    """A file that may be in a bundle: its largest size in bytes, and whether it must be there."""

    most: int
    required: bool = False


FILES: Mapping[str, Allowed] = {
    SUBMISSION: Allowed(256 * KIB, required=True),
    PREDICTIONS: Allowed(64 * MIB, required=True),
    ENTRY: Allowed(64 * KIB, required=True),
    ARCHITECTURE: Allowed(4 * MIB),
    CURVES: Allowed(16 * MIB),
    README: Allowed(64 * KIB),
}
ZIP_MOST = 32 * MIB  # of a bundle as one file
Members = Mapping[str, bytes]  # file name -> content


def canonical(value: Any) -> bytes:
    """JSON with one spelling: sorted keys, no spaces, ASCII (RFC 8785 but for floats' exponents)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def hashes(members: Members) -> dict[str, str]:
    """SHA-256 of every file."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in sorted(members.items())}


def bundle_digest(members: Members) -> str:
    """One SHA-256 for all files: the same for a folder and for any zip of it."""
    return hashlib.sha256(canonical(hashes(members))).hexdigest()
