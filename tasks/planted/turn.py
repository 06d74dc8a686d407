"""planted-turn: five letters come again and again in one cyclic order, far apart; the order is the class.

Needs a memory of the letter before: a recurrent node; attention could relate letters but would have to learn
which one came just before. Every exit cell holds each letter exactly once, and whatever sees STEP places or
fewer at once (convolution up to 5, pooling, fc, skip) sees one letter at a time: the same in all classes.
"""

from itertools import permutations

import numpy as np

from metanas.data.adapter import DOMAINS
from metanas.data.episode import Ints, Split
from tasks.planted.dice import Dice
from tasks.planted.procedural import Letters

CELLS, CELL = 4, 34  # exit cells, letters in one of them
STEP, MORE = 5, 2  # letters from one to the next: at least, and how many different distances
MARGIN = STEP - 1  # between a letter and the border of its cell: what sees the border sees no letter
NAMES = np.array([*b"ABCDE"])
ORDERS = [(0, *rest) for rest in permutations(range(1, 5))]  # the 24 cyclic orders of five letters


@DOMAINS.register("planted-turn")
class Turn(Letters):
    """SYNTHETIC text: the cyclic order of letters that stand far apart; for recurrence."""

    name = "planted-turn"
    rules = {"train": ORDERS[::2], "val": ORDERS[1::4], "test": ORDERS[3::4]}

    def make(self, dice: Dice, split: Split, rules: Ints) -> Ints:
        n, count = len(rules), len(NAMES)
        x = np.full((n, CELLS * CELL), ord("."))
        step = STEP + dice.below(MORE, n, CELLS)
        start = MARGIN + dice.below(CELL - 2 * MARGIN - (count - 1) * step, n, CELLS)
        first = dice.below(count, n)
        rows = np.arange(n)
        for cell in range(CELLS):
            for i in range(count):
                place = cell * CELL + start[:, cell] + i * step[:, cell]
                x[rows, place] = NAMES[rules[rows, (first + i) % count]]
        return x
