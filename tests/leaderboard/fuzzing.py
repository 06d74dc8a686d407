"""Bundles made by accident: a valid one, changed at random but aptly, so that the changes reach deep.

Bytes of the zip, values of its JSON files (with hashes that fit again), bytes of its Parquet file (likewise).
"""

import json
import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from leaderboard.bundle.names import ENTRY, Members
from leaderboard.bundle.pack import to_zip
from metanas.evaluation.result import PREDICTIONS, SUBMISSION
from tests.leaderboard.bundles import resealed

Mutant = Callable[[random.Random], bytes]
DEEP: list[Any] = []
for _ in range(40):
    DEEP = [DEEP]
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**30, 0.5, -0.0, 1e308, float("nan"), float("inf"),
    "", " ", "a", "a" * 70_000, "\u202eevil", "\0", "\ud800", "<script>", "../..", "'; DROP TABLE x; --",
    "2026-01-01T00:00:00Z", "0" * 64, "{{7*7}}", "%s%n", [], {}, [[]], [None], {"": None}, DEEP,
)  # fmt: skip


def byte_mutant(good: Members) -> Mutant:
    """Other bytes anywhere in the zip."""
    packed = to_zip(good)
    return lambda r: changed(packed, r)


def json_mutant(good: Members) -> Mutant:
    """Other values in entry.json or submission.json."""
    entry, document = json.loads(good[ENTRY]), json.loads(good[SUBMISSION])

    def make(r: random.Random) -> bytes:
        if r.random() < 0.5:
            return to_zip({**good, ENTRY: text(entry, r)})
        return to_zip(resealed(good, submission_json=text(document, r)))

    return make


def parquet_mutant(good: Members) -> Mutant:
    """Other bytes in predictions.parquet, most of them in its footer, where the structure is."""

    def make(r: random.Random) -> bytes:
        table = good[PREDICTIONS]
        footer = int.from_bytes(table[-8:-4], "little") + 8
        first = len(table) - footer if r.random() < 0.7 else 0
        return to_zip(resealed(good, predictions_parquet=table[:first] + changed(table[first:], r)))

    return make


def changed(content: bytes, r: random.Random) -> bytes:
    """One to four small accidents."""
    found = bytearray(content)
    for _ in range(r.randint(1, 4)):
        at = r.randrange(len(found) + 1)
        length = r.choice((1, 1, 1, 4, 8, 100))
        match r.randrange(6):
            case 0:
                found[at : at + length] = r.randbytes(length)
            case 1:
                del found[at : at + length]
            case 2:
                found[at:at] = r.randbytes(length)
            case 3:
                found[at : at + length] = found[: len(found[at : at + length])]
            case 4:
                found[at : at + length] = b"\xff" * len(found[at : at + length])
            case _ if at < len(found):
                found[at] ^= 1 << r.randrange(8)
    return bytes(found)


def text(value: Any, r: random.Random) -> bytes:
    """JSON with one to three values replaced, removed, added or repeated; rarely with broken bytes."""
    found = json.loads(json.dumps(value))
    for _ in range(r.randint(1, 3)):
        place = found
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = r.choice(keys)
            inner = place[key]
            if isinstance(inner, dict | list) and inner and r.random() < 0.7:
                place = inner
                continue
            match r.randrange(5):
                case 0:
                    del place[key]
                case 1 if isinstance(place, dict):
                    place[r.choice(("", "x", "__class__", "files", "\u0000"))] = deepcopy(r.choice(VALUES))
                case 2 if isinstance(place, list):
                    place.extend(deepcopy([inner] * r.choice((1, 100))))
                case _:
                    place[key] = deepcopy(r.choice(VALUES))
            break
    content = json.dumps(found).encode()
    return changed(content, r) if r.random() < 0.1 else content
