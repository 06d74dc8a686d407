"""Frozen word vectors from a user's file, for the vocabulary of one domain.

The file is text as fastText and GloVe write it: a word and its numbers on each line, fastText with a first
line "count dimensions". The table is made once and cached; the stem (`models/stem.py`) reads it from there.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import numpy as np

from metanas.base.atomic import cache_folder, write_array
from metanas.base.errors import DataError
from metanas.data.words import FIRST

Vector = np.ndarray[tuple[int], np.dtype[np.float32]]


def word_table(file: Path, vocabulary: Sequence[str]) -> Path:
    """Path of a .npy with float32 vectors (FIRST + len(vocabulary), dimensions).

    Rows 0 and 1 (padding, unknown) and words that the file lacks are zeros; the other rows are scaled to a
    mean square of 1.
    DataError for a file that cannot be read, has rows of different lengths, or has none of the words.
    """
    try:
        stat = file.stat()
    except OSError as error:
        raise DataError(f"{file}: word vectors cannot be read: {error.strerror}") from error
    text = json.dumps([str(file.resolve()), stat.st_size, stat.st_mtime_ns, list(vocabulary)])
    path = cache_folder() / f"vectors-{hashlib.sha256(text.encode()).hexdigest()[:16]}.npy"
    if not path.exists():
        write_array(path, _read(file, vocabulary))
    return path


def _read(file: Path, vocabulary: Sequence[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    row = {word: i + FIRST for i, word in enumerate(vocabulary)}
    vectors: dict[int, Vector] = {}
    size = 0
    with _opened(file) as lines:
        for number, line in enumerate(lines, 1):
            word, *values = line.rstrip().split(" ")
            if number == 1 and len(values) == 1:
                continue  # fastText's header
            size = size or len(values)
            if len(values) != size:
                raise DataError(f"{file}: line {number} has {len(values)} numbers, the first has {size}")
            if word in row:
                try:
                    vectors.setdefault(row[word], np.array(values, np.float32))
                except ValueError as error:
                    raise DataError(f"{file}: line {number}: {error}") from error
    if not vectors:
        raise DataError(f"{file}: none of the {len(vocabulary)} words of the vocabulary is in it")
    table = np.zeros((len(vocabulary) + FIRST, size), np.float32)
    table[list(vectors)] = list(vectors.values())
    mean_square = np.square(table[list(vectors)].astype(np.float64)).mean() if size else 0.0
    if not 0 < mean_square < np.inf:  # NaN is neither
        raise DataError(f"{file}: the numbers' mean square is {mean_square}; it must be finite and above 0")
    return table / np.float32(np.sqrt(mean_square))


def _opened(file: Path) -> TextIO:
    try:
        return file.open(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise DataError(f"{file}: word vectors cannot be read: {error.strerror}") from error
