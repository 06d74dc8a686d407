"""planted-clump: every exit cell holds five letters three times each; the one in a run is the class.

Needs to look at neighbours: pooling, which needs no weights for letters it has never seen, then convolution.
All cells of all examples hold the same letters, so the features of a node that works position by position or
on the mean (fc, fc-global, skip) are the same for all classes: chance.
"""

import numpy as np

from metanas.data.adapter import DOMAINS
from metanas.data.episode import SPLITS, Ints, Split
from tasks.planted.dice import Dice
from tasks.planted.procedural import Letters

CELLS, CELL = 4, 16  # exit cells, letters in one of them
KINDS, RUN = 5, 3  # letters of a split; how often each stands in a cell
NAMES = {"train": np.array([*b"ABCDE"]), "val": np.array([*b"FGHIJ"]), "test": np.array([*b"KLMNO"])}
TRIES = 64


@DOMAINS.register("planted-clump")
class Clump(Letters):
    """SYNTHETIC text: which letter stands in runs; for pooling, also convolution."""

    name = "planted-clump"
    rules = {split: [(i,) for i in range(KINDS)] for split in SPLITS}

    def make(self, dice: Dice, split: Split, rules: Ints) -> Ints:
        run = rules.repeat(CELLS, axis=0)  # (cells, 1)
        rest = _apart(dice, len(run))  # of the other letters, 0..KINDS - 2, and -1, a dot
        rest += rest >= run
        place = dice.below(rest.shape[1] + 1, len(run), 1)
        at = np.arange(CELL)
        source = np.where(at < place, at, at - RUN).clip(0, rest.shape[1] - 1)
        kinds = np.where(
            (at >= place) & (at < place + RUN), run, np.take_along_axis(rest, source, axis=1)
        ).reshape(len(rules), -1)
        return np.where(kinds < 0, ord("."), NAMES[split][kinds])


def _apart(dice: Dice, count: int) -> Ints:
    """Random orders of KINDS - 1 letters, RUN times each, and a dot, no letter beside itself: (count, 13)."""
    letters = np.append(np.arange(KINDS - 1).repeat(RUN), -1)
    found: list[Ints] = []
    missing = count
    while missing:
        drawn = letters[dice.orders(4 * missing, len(letters))]
        good = drawn[(drawn[:, 1:] != drawn[:, :-1]).all(1)][:missing]
        found.append(good)
        missing -= len(good)
    return np.concatenate(found)
