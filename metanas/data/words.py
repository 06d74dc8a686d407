"""Text as word tokens: ids over a vocabulary, 0 for padding and 1 for words that are not in it."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

PADDING, UNKNOWN = 0, 1
FIRST = 2  # the id of a vocabulary's first word
KEPT = 1000  # characters of a text that a store keeps as text: for pages, and for words of frozen vectors


def words_of(text: str) -> list[str]:
    """The words of a text: runs of letters and digits, in lower case."""
    return re.findall(r"\w+", text.casefold())


def vocabulary_of(texts: Iterable[str], least: int = 1, most: int | None = None) -> list[str]:
    """The words that occur at least `least` times, most frequent first, at most `most`."""
    count = Counter(word for text in texts for word in words_of(text))
    frequent = sorted((word for word, times in count.items() if times >= least), key=lambda w: (-count[w], w))
    return frequent[:most]


def encode_words(texts: Sequence[str], vocabulary: Sequence[str], width: int) -> NDArray[np.int32]:
    """Each text's first `width` words as ids (n, width)."""
    number = {word: i + FIRST for i, word in enumerate(vocabulary)}
    ids = np.full((len(texts), width), PADDING, np.int32)
    for row, text in zip(ids, texts, strict=True):
        tokens = [number.get(word, UNKNOWN) for word in words_of(text)[:width]]
        row[: len(tokens)] = tokens
    return ids
