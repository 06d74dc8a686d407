"""langid: which language is this name of a place or a language written in?

The names are those of languages and territories in Unicode's CLDR, as Babel ships them: Finnish writes
"Ruotsi", Swedish "Sverige". Only languages in Latin script count, so that the alphabet does not give the
answer away. A name that several languages share (compared without case) is dropped from all of them, and
so is a language that keeps fewer than 60. Disjoint languages for meta-train, meta-val and meta-test.
"""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from metanas import counter
from metanas.episode import Split
from metanas.kinds import DOMAINS
from metanas.store import Adapter, Examples
from tasks.modality.text import BYTES, encode_bytes

LEAST, MOST, WIDTH = 60, 150, 24  # names a language, tokens a name


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
