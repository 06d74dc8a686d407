"""planted-beep: one middle tone, and few others, in a long silence; the beat on which it comes is the class.

Needs a node that knows where it is, as planted-when does: recurrence or attention. The beat lies at least
MARGIN beats inside one exit cell, so nodes that are the same everywhere and reach no further (convolution of
up to 5x5, pooling, fc, skip) have equal class means: chance.
"""

import numpy as np

from metanas.data.adapter import DOMAINS
from metanas.data.episode import SPLITS, Ints, Split
from tasks.planted.dice import Dice
from tasks.planted.tones import SILENT, Tones

BEATS = 20  # two seconds; half of it is one of the exit's cells
MARGIN = 2  # beats between a tone and the border of its cell
PITCH, OTHERS = 2, np.array([0, 4])  # of the beep, and of other tones
NOISE = 0.02  # how many beats have one of the others


@DOMAINS.register("planted-beep")
class Beep(Tones):
    """SYNTHETIC sound: when the middle tone comes; for recurrence or attention."""

    name = "planted-beep"
    rules = {split: [(beat,) for beat in range(MARGIN, BEATS // 2 - MARGIN)] for split in SPLITS}
    each = {"train": 200, "val": 60, "test": 100}

    def make(self, dice: Dice, split: Split, rules: Ints) -> Ints:
        n = len(rules)
        others = self.sung(dice, OTHERS[dice.below(len(OTHERS), n, BEATS)])
        plan = np.where(dice.happens(NOISE, n, BEATS), others, SILENT)
        plan[np.arange(n), rules[:, 0]] = self.sung(dice, np.full(n, PITCH))
        return np.concatenate([self.instruments(dice, split, n)[:, None], plan], 1)
