"""Random numbers as a pure function of their address: Philox4x32-10 written out in numpy.

A pinned benchmark may not depend on a library's random stream, which its authors are free to change.
Philox (Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3") is ten rounds of integer
arithmetic on a counter under a key, so number `i` of a stream is computed directly, in any order, by
any process, and is the same on every machine. Episodes (`episode.py`) and the bootstrap
(`evaluation/stats.py`) draw from it.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def key(*parts: object) -> int:
    """A 64-bit key from any printable parts: key("episodes", "digits", "test", 5, 1)."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def philox(key: int, counters: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """Ten rounds of Philox4x32 on 128-bit counters.

    counters: (n, 4) uint64, each word below 2**32. Returns (n, 4) uint32.
    """
    c0, c1, c2, c3 = (counters[:, word] & _LOW for word in range(4))
    k0, k1 = np.uint64(key) & _LOW, np.uint64(key) >> _HALF
    for _ in range(10):
        p0, p1 = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2  # 32 x 32 bits fit in 64
        c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ k0, p1 & _LOW, (p0 >> _HALF) ^ c3 ^ k1, p0 & _LOW
        k0, k1 = (k0 + _WEYL[0]) & _LOW, (k1 + _WEYL[1]) & _LOW
    return np.stack([c0, c1, c2, c3], axis=1).astype(np.uint32)


def words(key: int, rows: NDArray[np.int64], count: int) -> NDArray[np.uint32]:
    """The first `count` 32-bit numbers of the streams numbered `rows`: (len(rows), count)."""
    blocks = -(-count // 4)
    counters = np.zeros((len(rows), blocks, 4), np.uint64)
    counters[..., 0] = np.arange(blocks, dtype=np.uint64)
    counters[..., 2] = (rows.astype(np.uint64) & _LOW)[:, None]
    counters[..., 3] = (rows.astype(np.uint64) >> _HALF)[:, None]
    return philox(key, counters.reshape(-1, 4)).reshape(len(rows), -1)[:, :count]


def below(bound: NDArray[np.int64] | int, bits: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Integers in [0, bound) from 32 random bits each, by multiplication (bias below bound / 2**32)."""
    return ((bits.astype(np.uint64) * np.asarray(bound).astype(np.uint64)) >> _HALF).astype(np.int64)


def uniform(bits: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Numbers in (0, 1) from 32 random bits each."""
    return (bits.astype(np.float64) + 0.5) / 4294967296.0
