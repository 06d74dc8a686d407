"""langid: which language is this name of a place or a language written in?

The names are those of languages and territories in Unicode's CLDR, as Babel ships them: Finnish writes
"Ruotsi", Swedish "Sverige". Only languages in Latin script count, so that the alphabet does not give the
answer away. A name that several languages share (compared without case) is dropped from all of them, and
so is a language that keeps fewer than 60. Disjoint languages for meta-train, meta-val and meta-test.
"""

import hashlib
import random
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metanas import counter
from metanas.episode import Split
from metanas.kinds import DOMAINS
from metanas.store import Adapter, Examples
from tasks.modality.text import BYTES, encode_bytes

LEAST, MOST, WIDTH = 60, 150, 24  # names a language, tokens a name
MEMORY = 3  # letters before the next one, in invented names
SHORT, LONG = 4, 20  # letters of an invented name
VOWELS, CONSONANTS = "aeiou", "bcdfghjklmnpqrstvwxyz"


@DOMAINS.register("langid")
class LangId(Adapter):
    """Language of a place or language name, from CLDR through Babel; Latin script, bytes."""

    modality = "text"
    licence = "Unicode License V3 (CLDR); Babel is BSD-3-Clause"
    citation = "Unicode CLDR"
    synthetic = False
    packages = ("babel",)
    recipe = "v1"

    def locate(self, root: Path | None) -> Sequence[Path]:
        return ()

    def load(self, root: Path | None) -> Examples:
        names = unshared_names()
        languages = sorted(names, key=lambda language: counter.key("langid", language))
        cut = (len(languages) * 6 // 10, len(languages) * 75 // 100)
        splits: dict[Split, tuple[str, ...]] = {
            "train": tuple(languages[: cut[0]]),
            "val": tuple(languages[cut[0] : cut[1]]),
            "test": tuple(languages[cut[1] :]),
        }
        texts = [name for language in languages for name in names[language]]
        labels = np.repeat(np.arange(len(languages)), [len(names[language]) for language in languages])
        return Examples(
            x=encode_bytes(texts, WIDTH),
            labels=labels,
            classes=tuple(languages),
            splits=splits,
            source=hashlib.sha256("\n".join(texts).encode()).hexdigest(),
            vocabulary=BYTES,
            extra={"text": texts},
        )

    def fresh(self, source: random.Random, ways: int, each: int) -> NDArray[np.int16]:
        """Names in invented languages (see sealed.MakesClasses).

        An invented language follows the letters of a real one, in which the vowels a to u, and the
        consonants, have changed places at random: it is spoken nowhere, and its names are in no list.
        """
        languages = source.sample(sorted(_names()), ways)
        texts = [name for language in languages for name in invented_names(source, language, each)]
        return encode_bytes(texts, WIDTH).reshape(ways, each, WIDTH)


def invented_names(source: random.Random, language: str, count: int) -> list[str]:
    """Different names in a language made from this one."""
    follows = _letters(language)
    places = dict(zip(VOWELS, source.sample(VOWELS, len(VOWELS)), strict=True))
    places |= zip(CONSONANTS, source.sample(CONSONANTS, len(CONSONANTS)), strict=True)
    moved = str.maketrans(places | {a.upper(): b.upper() for a, b in places.items()})
    found: dict[str, None] = {}
    while len(found) < count:
        name = ""
        while len(name) < LONG and (letter := source.choice(follows[name[-MEMORY:]])):
            name += letter
        if len(name.strip()) >= SHORT:
            found[name.strip().translate(moved)] = None
    return list(found)


@cache
def _names() -> dict[str, list[str]]:
    return unshared_names()


@cache
def _letters(language: str) -> dict[str, list[str]]:
    """What follows up to MEMORY letters in its names, as often as it does; "" is the end of a name."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in _names()[language]:
        for place in range(len(name) + 1):
            found[name[max(0, place - MEMORY) : place]].append(name[place : place + 1])
    return dict(found)


def unshared_names() -> dict[str, list[str]]:
    """Per language the names that no other language has, at most MOST, chosen by a hash."""
    from babel import Locale, localedata

    found: dict[str, set[str]] = {}
    for identifier in localedata.locale_identifiers():
        if "_" not in identifier:  # one entry a language; fi, not fi_FI
            locale = Locale(identifier)
            both = [*locale.languages.values(), *locale.territories.values()]
            found[identifier] = set(
                {name.casefold(): name for name in sorted(both) if is_latin(name)}.values()
            )
    owners = Counter(name.casefold() for names in found.values() for name in names)
    kept = {
        language: sorted(
            (name for name in names if owners[name.casefold()] == 1),
            key=lambda name: (counter.key("name", name), name),
        )[:MOST]
        for language, names in found.items()
    }
    return {language: sorted(names) for language, names in kept.items() if len(names) >= LEAST}


def is_latin(name: str) -> bool:
    """Whether every letter is Latin, and there are at least three."""
    letters = [c for c in name if c.isalpha()]
    return len(letters) >= 3 and all(unicodedata.name(c, "").startswith("LATIN") for c in letters)
