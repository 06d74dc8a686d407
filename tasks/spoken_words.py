"""spoken-words: SYNTHETIC speech, English words spoken by eSpeak NG in several voices, rates and pitches.

No recording of anyone: it stands in for a speech data set where nothing can be downloaded, and every
table that shows it says so. Words and voices are disjoint between the splits: a test word is new and is
spoken by voices never heard in meta-training.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.episode import Split
from metanas.kinds import DOMAINS
from metanas.store import Adapter, Clip, Examples
from tasks.modality.espeak import RATE_HZ, speak
from tasks.modality.speech import log_mels, trimmed

RATES, PITCHES = (140, 175, 210), (35, 65)


class Cast(NamedTuple):
    """Who says what in one split."""

    words: tuple[str, ...]
    voices: tuple[str, ...]


CASTS: dict[Split, Cast] = {
    "train": Cast(
        tuple(
            "apple bottle camera dragon engine forest garden hammer island jacket kitchen ladder "
            "market needle orange pencil quarter river silver table umbrella village window yellow "
            "basket copper doctor farmer guitar honey insect jungle kettle letter monkey number".split()
        ),
        ("Diogo", "adam", "david", "michel", "mike2", "klatt6"),
    ),
    "val": Cast(
        tuple("button candle desert finger hotel lemon mirror pepper rabbit summer ticket winter".split()),
        ("Denis", "Hugo", "edward2", "benjamin"),
    ),
    "test": Cast(
        tuple(
            "animal bridge circle dinner family golden hospital journey "
            "lobster morning ocean picture rocket sailor thunder valley".split()
        ),
        ("Henrique", "Storm", "miguel", "shelby"),
    ),
}
# For sealed episodes: voices in no split, and the parts of words that nobody wrote.
FRESH_VOICES = tuple(
    "Andy Gene Lee Marco Mario Michael Mike Reed antonio boris ed gustave john marcelo max norbert pablo "
    "paul pedro rob robert sandro travis victor zac Alicia Andrea belinda linda steph".split()
)
ONSETS = "b bl br d dr f fl g gl gr h j k kl kr l m n p pl pr r s sk sl sp st t tr v w z".split()
VOWELS = "a e i o u ai ee oa oo ow".split()
CODAS = ["", *"b d f g k l m n nd nt p r s st t z".split()]
CAST_SIZE = 4  # voices in one sealed episode, as many as the meta-test split has
FRESH_RATES, FRESH_PITCHES = range(130, 221), range(25, 76)


@DOMAINS.register("spoken-words")
class SpokenWords(Adapter):
    """SYNTHETIC: English words by eSpeak NG; words and voices disjoint between splits."""

    modality = "speech"
    licence = "made on the spot by eSpeak NG (GPL-3.0, called, not copied)"
    citation = "eSpeak NG text-to-speech"
    synthetic = True
    packages = ("espeakng-loader",)
    recipe = "v1"

    def locate(self, root: Path | None) -> Sequence[Path]:
        return ()

    def load(self, root: Path | None) -> Examples:
        words = [word for cast in CASTS.values() for word in cast.words]
        voices = [voice for cast in CASTS.values() for voice in cast.voices]
        clips, names, labels, groups = [], [], [], []
        for cast in CASTS.values():
            for word, voice, rate, pitch in product(cast.words, cast.voices, RATES, PITCHES):
                clips.append(spoken(word, voice, rate, pitch))
                names.append(f"{word} {voice} {rate} {pitch}")
                labels.append(words.index(word))
                groups.append(voices.index(voice))
        sha = hashlib.sha256()
        for clip in clips:  # the samples, not the spectrograms: float FFTs differ between processors
            sha.update(clip.astype("<i2").tobytes())
        return Examples(
            x=log_mels(clips, RATE_HZ),
            labels=np.array(labels, np.int64),
            classes=tuple(words),
            splits={split: cast.words for split, cast in CASTS.items()},
            source=sha.hexdigest(),
            groups=np.array(groups, np.int64),
            extra={"clip": names},
        )

    def clips(self, root: Path | None, names: Sequence[str]) -> Iterator[tuple[str, Clip]]:
        for name in names:
            word, voice, rate, pitch = name.split()
            yield name, (spoken(word, voice, int(rate), int(pitch)), RATE_HZ)

    def fresh(self, source: random.Random, ways: int, each: int) -> NDArray[np.float16]:
        """Invented words (see sealed.MakesClasses) by voices, rates and pitches that no split has."""
        voices = source.sample(FRESH_VOICES, CAST_SIZE)
        clips = []
        for word in invented_words(source, ways):
            places = source.sample(range(CAST_SIZE * len(FRESH_RATES) * len(FRESH_PITCHES)), each)
            for place in places:
                rest, pitch = divmod(place, len(FRESH_PITCHES))
                voice, rate = divmod(rest, len(FRESH_RATES))
                clips.append(spoken(word, voices[voice], FRESH_RATES[rate], FRESH_PITCHES[pitch]))
        mels = log_mels(clips, RATE_HZ)
        return mels.reshape(ways, each, *mels.shape[1:])


def invented_words(source: random.Random, count: int) -> list[str]:
    """Different words of two syllables, none of them in a split."""
    known = {word for cast in CASTS.values() for word in cast.words}
    found: dict[str, None] = {}
    while len(found) < count:
        first = source.choice(ONSETS) + source.choice(VOWELS)
        word = first + source.choice(ONSETS) + source.choice(VOWELS) + source.choice(CODAS)
        if word not in known:
            found[word] = None
    return list(found)


def spoken(word: str, voice: str, rate: int, pitch: int) -> NDArray[np.int16]:
    """One clip without the silence around it, int16 at RATE_HZ."""
    return trimmed(speak(word, voice=f"en-us+{voice}", rate=rate, pitch=pitch))
