"""Random numbers of the procedural domains: a stream of Philox words, the same on every machine.

`data/adapter.py` asks a domain for its examples once; `procedural.py` makes them from one `Dice` per split.
"""

import math

import numpy as np
from numpy.typing import NDArray

from metanas.base import philox
from metanas.data.episode import Ints

FINE = 1 << 20  # steps in which a probability is told apart


class Dice:
    """Arrays of random integers, one after the other, from the stream of an address.

    Each array comes from a row of its own, so its numbers do not depend on the size of the others.
    """

    def __init__(self, *address: object) -> None:
        self._key = philox.key("planted", *address)
        self._row = 0

    def below(self, bound: int | Ints, *shape: int) -> Ints:
        """Integers in [0, bound) of this shape. bound: one number, or an array that broadcasts to it."""
        return philox.below(np.asarray(bound, np.int64), self._bits(*shape))

    def happens(self, rate: float, *shape: int) -> NDArray[np.bool_]:
        """True with probability `rate`, independently."""
        return self.below(FINE, *shape) < round(rate * FINE)

    def orders(self, *shape: int) -> Ints:
        """Permutations of range(shape[-1]) along the last axis, all equally likely."""
        return np.argsort(self._bits(*shape), axis=-1, kind="stable")

    def _bits(self, *shape: int) -> NDArray[np.uint32]:
        row = np.array([self._row], np.int64)
        self._row += 1
        return philox.words(self._key, row, math.prod(shape)).reshape(shape)
