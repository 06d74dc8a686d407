"""planted-tune: five pitches come in the same cyclic order, one on each beat; the order is the class.

Needs a look at how pitches follow each other: convolution, or recurrence, which reads pitch after pitch. Any
four beats hold four of the five pitches, each left out as often in every class, so single patches and halves
of the sound tell nothing: whatever works patch by patch or on the mean (fc, fc-global, skip) is at chance.
"""

import numpy as np

from metanas.data.adapter import DOMAINS
from metanas.data.episode import Ints, Split
from tasks.planted.dice import Dice
from tasks.planted.tones import PITCHES, Tones
from tasks.planted.turn import ORDERS

BEATS = 8


@DOMAINS.register("planted-tune")
class Tune(Tones):
    """SYNTHETIC sound: the cyclic order of five pitches; for convolution."""

    name = "planted-tune"
    rules = {"train": ORDERS[::2], "val": ORDERS[1::4], "test": ORDERS[3::4]}
    each = {"train": 200, "val": 60, "test": 100}

    def make(self, dice: Dice, split: Split, rules: Ints) -> Ints:
        n = len(rules)
        first = dice.below(PITCHES, n, 1)
        plan = np.take_along_axis(rules, (first + np.arange(BEATS)) % PITCHES, axis=1)
        return np.concatenate([self.instruments(dice, split, n)[:, None], self.sung(dice, plan)], 1)
