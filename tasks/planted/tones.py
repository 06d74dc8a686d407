"""Sequences of pure tones as sound: a plan of pitches and times, played by an instrument, as log-mels.

The patches of a lean stem are 8 mel bands by 8 frames (100 ms). A tone lies in the middle of one range of 8
bands and inside one beat of 8 frames, with silence around, so that no patch holds more than one.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanas.data.episode import Ints, Split
from tasks.modality.speech import BANDS, HOP, RATE, log_mels
from tasks.planted.dice import Dice
from tasks.planted.procedural import Procedural

PATCH = 8  # bands and frames
PITCHES = BANDS // PATCH
BEAT = PATCH * HOP  # samples
TONE = 1000  # samples, 62 ms: with a window of 512 none is heard beyond its beat
LEVELS = 8  # of loudness
SILENT = -1  # in a plan: no tone in this beat; any other number is level * PITCHES + pitch
INSTRUMENTS = {"train": (0, 1, 2, 3), "val": (4, 5), "test": (6, 7)}
MEL_TOP = 2595 * np.log10(1 + RATE / 2 / 700)  # of the highest band, in the mels of torchaudio's default
SOFT, STEP = 1000, 500  # amplitude of the lowest level, and from each to the next


class Tones(Procedural):
    """A sound; `make` returns plans (n, 1 + beats): the instrument, then a tone or SILENT for each beat."""

    modality = "speech"

    def instruments(self, dice: Dice, split: Split, count: int) -> Ints:
        """Random instruments (count,) of this split; splits share none."""
        known = np.array(INSTRUMENTS[split])
        return known[dice.below(len(known), count)]

    def sung(self, dice: Dice, pitches: Ints) -> Ints:
        """Tones of these pitches, each of a random level; same shape."""
        return dice.below(LEVELS, *pitches.shape) * PITCHES + pitches

    def inputs(self, made: Ints) -> NDArray[np.float16]:
        frames = PATCH * (made.shape[1] - 1)
        return log_mels((played(row) for row in made.tolist()), RATE, frames)

    def about(self, made: Ints) -> dict[str, Any]:
        clips = [" ".join(map(str, row)) for row in made.tolist()]
        return {"groups": made[:, 0].copy(), "extra": {"clip": clips}}

    def clips(self, root: Any, names: Any) -> Iterator[tuple[str, tuple[NDArray[np.int16], int]]]:
        for name in names:
            yield name, (played([int(part) for part in name.split()]), RATE)


def played(plan: list[int]) -> NDArray[np.int16]:
    """The samples of one plan."""
    return np.concatenate([_beat(plan[0], tone) for tone in plan[1:]])


@cache
def _beat(instrument: int, tone: int) -> NDArray[np.int16]:
    """One beat: a tone with soft ends, or silence. Instruments differ a little in pitch, and in attack."""
    beat = np.zeros(BEAT, np.int16)
    if tone == SILENT:
        return beat
    level, pitch = divmod(tone, PITCHES)
    middle = (pitch + 0.5) * PATCH + (instrument % 4 - 1.5) / 2  # bands
    hertz = 700 * (10 ** (MEL_TOP * (middle + 0.5) / (BANDS + 1) / 2595) - 1)
    time = np.arange(TONE)
    attack = 60 + 40 * (instrument // 2)  # samples
    loudness = np.minimum(1, np.minimum(time / attack, (TONE - time) / 200))
    start = (BEAT - TONE) // 2
    wave = (SOFT + STEP * level) * loudness * np.sin(2 * np.pi * hertz / RATE * time)
    beat[start : start + TONE] = np.round(wave)
    return beat
