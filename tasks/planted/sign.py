"""planted-sign: some blocks show one texture, as often inverted as not; the texture is the class.

Needs a node that works block by block and an activation that is no straight line, such as ReLU. The blocks of
every quarter add up to grey, so fc-global is at chance, and what is linear (convolution or skip, with the
activation `identity`) sees no more than what layer norms leak of a texture's strength.
"""

import numpy as np

from metanas.data.adapter import DOMAINS
from metanas.data.episode import SPLITS, Ints, Split
from tasks.planted.dice import Dice
from tasks.planted.procedural import Pixels

QUARTER, BLOCK = 4, 4  # blocks along a side of a quarter of the image, pixels along a block
CLASSES = 10  # textures of a split
GREY, CONTRAST = 128, 100


def textures(split: Split) -> Ints:
    """The textures of a split, +1 and -1, as many of each: (CLASSES, BLOCK, BLOCK)."""
    order = Dice("planted-sign", "textures", split).orders(CLASSES, BLOCK * BLOCK)
    return np.where(order < BLOCK * BLOCK // 2, 1, -1).reshape(CLASSES, BLOCK, BLOCK)


@DOMAINS.register("planted-sign")
class Sign(Pixels):
    """SYNTHETIC images: which texture is there, inverted or not; for an activation such as ReLU."""

    name = "planted-sign"
    rules = {split: [(i,) for i in range(CLASSES)] for split in SPLITS}
    each = {"train": 400, "val": 60, "test": 100}

    def make(self, dice: Dice, split: Split, rules: Ints) -> Ints:
        n, blocks = len(rules), QUARTER * QUARTER
        pairs = dice.below(2, n, 4, blocks // 4, BLOCK, BLOCK) * 2 - 1  # clutter: random textures
        own = np.broadcast_to(textures(split)[rules[:, 0], None, None], pairs.shape)
        half = np.concatenate([pairs, own], 2)
        patches = np.concatenate([half, -half], 2)  # (n, quarters, blocks, BLOCK, BLOCK), sums to zero
        order = dice.orders(n, 4, blocks)[..., None, None]
        mixed = np.take_along_axis(patches, order, axis=2)
        grid = mixed.reshape(n, 2, 2, QUARTER, QUARTER, BLOCK, BLOCK)  # rows, columns of quarters
        side = 2 * QUARTER * BLOCK
        return GREY + CONTRAST * grid.transpose(0, 1, 3, 5, 2, 4, 6).reshape(n, side, side)
