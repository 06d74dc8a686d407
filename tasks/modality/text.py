"""Text as token ids: bytes, which all domains share, and words of a domain's own vocabulary.

A word vocabulary is counted on the texts of the meta-train classes alone, so that nothing of the meta-test
classes leaks into it; a domain without meta-train classes has none. With frozen word vectors the
words of all classes count (`metanas/data/domain.py`).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from metanas.base.errors import DataError
from metanas.data.adapter import Examples
from metanas.data.episode import Split
from metanas.data.words import KEPT, encode_words, vocabulary_of
from tasks.files import digest

BYTES = 257  # 256 byte values, shifted by one; 0 is padding
LEAST, MOST = 2, 20_000  # occurrences of a word in a vocabulary; words in a vocabulary


def encode_bytes(texts: Sequence[str], width: int) -> NDArray[np.int16]:
    """UTF-8 bytes + 1, truncated or padded with 0 to `width`: (n, width)."""
    ids = np.zeros((len(texts), width), np.int16)
    for row, text in zip(ids, texts, strict=True):
        raw = np.frombuffer(text.encode()[:width], np.uint8)
        row[: len(raw)] = raw.astype(np.int16) + 1
    return ids


def text_examples(
    texts: Sequence[str],
    names: Sequence[str],
    splits: Mapping[Split, tuple[str, ...]],
    *,
    items: int,
    width: int,
    words: int,
) -> Examples:
    """The Examples of labelled texts; texts of classes in no split are left out.

    names: the class of each text. items: number of texts in the full set. width, words: byte tokens and word
    tokens per text. DataError if no text is left.
    """
    classes = [name for split in splits.values() for name in split]
    number = {name: i for i, name in enumerate(classes)}
    labelled = [(text, number[name]) for text, name in zip(texts, names, strict=True) if name in number]
    if not labelled:
        raise DataError(f"no text of any of the {len(classes)} classes; the first is {classes[0]!r}")
    used = [text for text, _ in labelled]
    train = {number[name] for name in splits.get("train", ())}
    vocabulary = vocabulary_of((text for text, label in labelled if label in train), LEAST, MOST)
    return Examples(
        x=encode_bytes(used, width),
        words=encode_words(used, vocabulary, words) if vocabulary else None,
        labels=np.array([label for _, label in labelled], np.int64),
        classes=tuple(classes),
        splits=splits,
        source=digest(part.encode() for pair in zip(texts, names, strict=True) for part in pair),
        sample=len(texts) != items,
        vocabulary=BYTES,
        extra={"text": [text[:KEPT] for text in used], "vocabulary": vocabulary},
    )
