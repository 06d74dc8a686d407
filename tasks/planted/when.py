"""planted-when: the place of the only key in a line of dots is the class.

Needs a node that knows where it is: a recurrent one, which counts, or attention, which has positions. A node
that is the same everywhere and reaches at most MARGIN letters (convolution, pooling, fc, skip) makes the same
values around the key wherever it stands, all inside one exit cell, so the class means are equal: chance.
"""

import numpy as np

from metanas.data.adapter import DOMAINS
from metanas.data.episode import Ints, Split
from tasks.planted.dice import Dice
from tasks.planted.procedural import Letters

WIDTH, CELL = 96, 24  # letters of a text; of one of the exit's four cells
MARGIN = 6  # letters between a key and the border of its cell
NOISE = 0.03  # how many of the dots are one of the OTHERS
FIRST, LAST = CELL + MARGIN, 2 * CELL - MARGIN  # places of a key, in the second cell
OTHERS = np.array([*b"abcd"])


@DOMAINS.register("planted-when")
class When(Letters):
    """SYNTHETIC text: where the only key stands; for recurrence or attention."""

    name = "planted-when"
    rules = {
        "train": [(place,) for place in range(FIRST, LAST, 2)],
        "val": [(place,) for place in range(FIRST, LAST, 2)],
        "test": [(place,) for place in range(FIRST + 1, LAST, 2)],
    }

    def make(self, dice: Dice, split: Split, rules: Ints) -> Ints:
        n = len(rules)
        x = np.where(dice.happens(NOISE, n, WIDTH), OTHERS[dice.below(len(OTHERS), n, WIDTH)], ord("."))
        x[np.arange(n), rules[:, 0]] = ord("K")
        return x
