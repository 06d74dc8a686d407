"""Counter-based random numbers: Philox4x32-10 (Salmon et al., 2011) in numpy.

A pinned benchmark may not depend on a library's random stream, which its authors are free to change. Philox
("Parallel random numbers: as easy as 1, 2, 3") is ten rounds of integer arithmetic on a counter under a key,
so number `i` of a stream is computed directly, in any order, by any process, and is the same on every
machine. Episodes (`data/sampler.py`) and the bootstrap (`evaluation/statistics.py`) draw from it.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

_MULTIPLIERS = np.array([[0xCD9E8D57], [0xD2511F53]], np.uint64)  # of the words 2 and 0
_WEYL = np.array([[0x9E3779B9], [0xBB67AE85]], np.uint64)
_INCREMENTS = np.arange(10, dtype=np.uint64)[:, None, None] * _WEYL  # what each round adds to the key
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def key(*parts: object) -> int:
    """A 64-bit key from any printable parts: key("episodes", "digits", "test", 5, 1)."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def philox(key: int | NDArray[np.uint64], counters: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """Ten rounds of Philox4x32 on 128-bit counters.

    key: one for all counters, or one per counter (n,). counters: (n, 4) uint64, each word below 2**32.
    Returns (n, 4) uint32.
    """
    keys = np.atleast_1d(np.asarray(key, np.uint64))
    halves = np.stack([keys & _LOW, keys >> _HALF])
    words = counters.T & _LOW
    even, odd = words[0::2], words[1::2]  # two words side by side: half as many calls of numpy
    for increment in _INCREMENTS:
        round_key = (halves + increment) & _LOW
        product = _MULTIPLIERS * even[::-1]  # of the words 2 and 0; 32 x 32 bits fit in 64
        even, odd = (product >> _HALF) ^ odd ^ round_key, product & _LOW
    return np.stack([even, odd], axis=1).reshape(4, -1).T.astype(np.uint32, order="C")


def words(key: int, rows: NDArray[np.int64], count: int) -> NDArray[np.uint32]:
    """The first `count` 32-bit numbers of the streams numbered `rows` under one key: (len(rows), count)."""
    return words_of((key, rows, count))[0]


def words_of(*streams: tuple[int, NDArray[np.int64], int]) -> list[NDArray[np.uint32]]:
    """`words` of each (key, rows, count), in one pass: for small streams the numpy calls are the cost."""
    counters, keys = [], []
    for key, rows, count in streams:
        blocks = -(-count // 4)
        block = np.zeros((len(rows), blocks, 4), np.uint64)
        block[..., 0] = np.arange(blocks, dtype=np.uint64)
        block[..., 2] = (rows.astype(np.uint64) & _LOW)[:, None]
        block[..., 3] = (rows.astype(np.uint64) >> _HALF)[:, None]
        counters.append(block.reshape(-1, 4))
        keys.append(np.full(len(rows) * blocks, key, np.uint64))
    if len(streams) == 1:
        drawn = philox(streams[0][0], counters[0])
    else:
        drawn = philox(np.concatenate(keys), np.concatenate(counters))
    parts = np.split(drawn, np.cumsum([len(part) for part in counters])[:-1])
    return [
        part.reshape(len(rows), -1)[:, :count] for part, (_, rows, count) in zip(parts, streams, strict=True)
    ]


def uniform(bits: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Numbers in [0, 1) from 32 random bits each."""
    return bits / 2.0**32


def below(bound: NDArray[np.int64] | int, bits: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Integers in [0, bound) from 32 random bits each, by multiplication (bias below bound / 2**32)."""
    return ((bits.astype(np.uint64) * np.asarray(bound).astype(np.uint64)) >> _HALF).astype(np.int64)
