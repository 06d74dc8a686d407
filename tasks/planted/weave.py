"""planted-weave: each row of blocks is the row two above, moved by some columns, and inverted or not.

Needs a look at two dimensions at once: convolution of 3x3 or more. Half of every row is white at random, so
single blocks, rows and neighbouring rows are the same in all classes; whatever works block by block (fc,
skip) or on the mean (fc-global) has equal class means, and a recurrent node would have to keep two rows.
"""

import numpy as np

from metanas.data.adapter import DOMAINS
from metanas.data.episode import SPLITS, Ints, Split
from tasks.planted.dice import Dice
from tasks.planted.procedural import Pixels, tiles

SIDE, BLOCK = 8, 4  # blocks along a side, pixels along a block
FLIPPED = 0.03  # how many of the blocks are then inverted
RULES = [(shift, inverted) for shift in (-2, -1, 1, 2) for inverted in (0, 1)]


@DOMAINS.register("planted-weave")
class Weave(Pixels):
    """SYNTHETIC images: how each row follows from the one two above; for convolution."""

    name = "planted-weave"
    rules = {split: RULES for split in SPLITS}

    def make(self, dice: Dice, split: Split, rules: Ints) -> Ints:
        n = len(rules)
        white = dice.orders(n, SIDE, SIDE) < SIDE // 2
        columns = (np.arange(SIDE) - rules[:, :1]) % SIDE  # (n, SIDE)
        for row in range(2, SIDE):
            above = np.take_along_axis(white[:, row - 2], columns, axis=1)
            white[:, row] = above ^ (rules[:, 1:] == 1)
        return tiles(255 * (white ^ dice.happens(FLIPPED, n, SIDE, SIDE)), BLOCK)
