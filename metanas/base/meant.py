"""The end of a message on a wrong word: the one that was probably meant, else all that there are."""

import difflib
from collections.abc import Collection, Mapping

NONE: Mapping[str, str] = {}


def meant(word: object, known: Collection[str], synonyms: Mapping[str, str] = NONE) -> str:
    """; did you mean 'relu'?    synonyms: words that users take for a known one, and which it is."""
    other = synonyms.get(str(word), "")
    near = [other] if other in known else difflib.get_close_matches(str(word), known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(known)}"
