"""langid: names of places and languages by the language they are written in.

The names of languages and territories in Unicode's CLDR, from the package Babel: Finnish writes "Ruotsi",
Swedish "Sverige". Only languages in Latin script are used, so that the alphabet does not give the answer
away. A name that several languages share (compared without case) is dropped from all of them, and so is a
language with fewer than 60 names left. The languages are split into meta-train, meta-validation and meta-test
by a hash. The domain can be sealed (`data/sealed.py`): it can invent languages.
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

from metanas.base import philox
from metanas.data.adapter import DOMAINS, Adapter, Examples
from metanas.data.episode import Split
from tasks.modality.text import BYTES, encode_bytes

LEAST, MOST, WIDTH = 60, 150, 24  # names per language, tokens per name
MEMORY = 3  # letters that decide the next one, in invented names
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
        languages = sorted(names, key=lambda language: philox.key("langid", language))
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

    def fresh(self, rng: random.Random, ways: int, per_class: int) -> NDArray[np.int16]:
        """Names in invented languages (ways, per_class, WIDTH), see `sealed.MakesClasses`.

        An invented language follows the letters of a real one in which the vowels a to u, and the consonants,
        are permuted at random: nobody speaks it, and its names are in no list.
        """
        languages = rng.sample(sorted(_names()), ways)
        texts = [name for language in languages for name in invented_names(rng, language, per_class)]
        return encode_bytes(texts, WIDTH).reshape(ways, per_class, WIDTH)


def invented_names(rng: random.Random, language: str, count: int) -> list[str]:
    """`count` different names in a language invented from this one (code, as "fi")."""
    next_letters = _letters(language)
    permuted = dict(zip(VOWELS, rng.sample(VOWELS, len(VOWELS)), strict=True))
    permuted |= zip(CONSONANTS, rng.sample(CONSONANTS, len(CONSONANTS)), strict=True)
    table = str.maketrans(permuted | {a.upper(): b.upper() for a, b in permuted.items()})
    names: dict[str, None] = {}
    while len(names) < count:
        name = ""
        while len(name) < LONG and (letter := rng.choice(next_letters[name[-MEMORY:]])):
            name += letter
        if len(name.strip()) >= SHORT:
            names[name.strip().translate(table)] = None
    return list(names)


@cache
def _names() -> dict[str, list[str]]:
    return unshared_names()


@cache
def _letters(language: str) -> dict[str, list[str]]:
    """The letters that follow up to MEMORY letters in its names, with repetition; "" is the end of a name."""
    next_letters: dict[str, list[str]] = defaultdict(list)
    for name in _names()[language]:
        for place in range(len(name) + 1):
            next_letters[name[max(0, place - MEMORY) : place]].append(name[place : place + 1])
    return dict(next_letters)


def unshared_names() -> dict[str, list[str]]:
    """Names by language code that no other language has, at most MOST, chosen by a hash."""
    from babel import Locale, localedata

    candidates: dict[str, set[str]] = {}
    for identifier in localedata.locale_identifiers():
        if "_" not in identifier:  # one entry per language: fi, not fi_FI
            locale = Locale(identifier)
            words = [*locale.languages.values(), *locale.territories.values()]
            candidates[identifier] = set(
                {name.casefold(): name for name in sorted(words) if is_latin(name)}.values()
            )
    owners = Counter(name.casefold() for names in candidates.values() for name in names)
    chosen = {
        language: sorted(
            (name for name in names if owners[name.casefold()] == 1),
            key=lambda name: (philox.key("name", name), name),
        )[:MOST]
        for language, names in candidates.items()
    }
    return {language: sorted(names) for language, names in chosen.items() if len(names) >= LEAST}


def is_latin(name: str) -> bool:
    """Whether every letter is Latin, and there are at least three."""
    letters = [c for c in name if c.isalpha()]
    return len(letters) >= 3 and all(unicodedata.name(c, "").startswith("LATIN") for c in letters)
