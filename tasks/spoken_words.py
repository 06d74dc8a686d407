"""spoken-words: SYNTHETIC speech, English words spoken by eSpeak NG in several voices, rates and pitches.

No recordings of people: it stands in for a speech data set where nothing can be downloaded, and every table
that shows it says so. Words and voices are disjoint between the splits: a meta-test word is new and is spoken
by voices that meta-training never uses. The domain can be sealed (`data/sealed.py`): it can invent words.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.data.adapter import DOMAINS, Adapter, Clip, Examples
from metanas.data.episode import Split
from tasks.modality.espeak import RATE_HZ, speak
from tasks.modality.speech import log_mels, trimmed

RATES, PITCHES = (140, 175, 210), (35, 65)


class _Cast(NamedTuple):
    """The words of one split and the voices that speak them."""

    words: tuple[str, ...]
    voices: tuple[str, ...]


CASTS: dict[Split, _Cast] = {
    "train": _Cast(
        tuple(
            "apple bottle camera dragon engine forest garden hammer island jacket kitchen ladder "
            "market needle orange pencil quarter river silver table umbrella village window yellow "
            "basket copper doctor farmer guitar honey insect jungle kettle letter monkey number".split()
        ),
        ("Diogo", "adam", "david", "michel", "mike2", "klatt6"),
    ),
    "val": _Cast(
        tuple("button candle desert finger hotel lemon mirror pepper rabbit summer ticket winter".split()),
        ("Denis", "Hugo", "edward2", "benjamin"),
    ),
    "test": _Cast(
        tuple(
            "animal bridge circle dinner family golden hospital journey "
            "lobster morning ocean picture rocket sailor thunder valley".split()
        ),
        ("Henrique", "Storm", "miguel", "shelby"),
    ),
}
# For sealed episodes: voices that are in no split, and the parts of invented words.
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

    def fresh(self, rng: random.Random, ways: int, per_class: int) -> NDArray[np.float16]:
        """Invented words in voices, rates and pitches that no split has, see `sealed.MakesClasses`.

        (ways, per_class, bands, frames).
        """
        voices = rng.sample(FRESH_VOICES, CAST_SIZE)
        clips = []
        for word in invented_words(rng, ways):
            numbers = rng.sample(range(CAST_SIZE * len(FRESH_RATES) * len(FRESH_PITCHES)), per_class)
            for number in numbers:
                rest, pitch = divmod(number, len(FRESH_PITCHES))
                voice, rate = divmod(rest, len(FRESH_RATES))
                clips.append(spoken(word, voices[voice], FRESH_RATES[rate], FRESH_PITCHES[pitch]))
        mels = log_mels(clips, RATE_HZ)
        return mels.reshape(ways, per_class, *mels.shape[1:])


def invented_words(rng: random.Random, count: int) -> list[str]:
    """`count` different words of two syllables, none of them in a split."""
    known = {word for cast in CASTS.values() for word in cast.words}
    words: dict[str, None] = {}
    while len(words) < count:
        first = rng.choice(ONSETS) + rng.choice(VOWELS)
        word = first + rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS)
        if word not in known:
            words[word] = None
    return list(words)


def spoken(word: str, voice: str, rate: int, pitch: int) -> NDArray[np.int16]:
    """One clip without the silence around it, at RATE_HZ. rate: words per minute; pitch: 0-100."""
    return trimmed(speak(word, voice=f"en-us+{voice}", rate=rate, pitch=pitch))
