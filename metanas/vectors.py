"""Frozen word vectors from a user's file, for the words of one domain's vocabulary.

The text format of fastText and GloVe: a word and its numbers on each line, fastText with a first line
"count dimensions". The table is made once and kept in the cache; a stem (`stem.py`) reads it from there.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from metanas.store import DataError, cache_folder, write_array


def word_table(file: Path, vocabulary: Sequence[str]) -> Path:
    """A .npy of float32 (2 + len(vocabulary), dimensions): rows 0 and 1, padding and unknown, are zeros.

    So are words that the file lacks. Scaled to a mean square of 1 over the words found.
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
    row = {word: i + 2 for i, word in enumerate(vocabulary)}
    found: dict[int, list[float]] = {}
    size = 0
    with file.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            word, *values = line.rstrip().split(" ")
            if number == 1 and len(values) == 1:
                continue  # fastText's header
            size = size or len(values)
            if len(values) != size:
                raise DataError(f"{file}: line {number} has {len(values)} numbers, the first has {size}")
            if word in row:
                try:
                    found.setdefault(row[word], [float(value) for value in values])
                except ValueError as error:
                    raise DataError(f"{file}: line {number}: {error}") from error
    if not found:
        raise DataError(f"{file}: none of the {len(vocabulary)} words of the vocabulary is in it")
    table = np.zeros((len(vocabulary) + 2, size), np.float32)
    table[list(found)] = list(found.values())
    return table / np.sqrt(np.square(table[list(found)]).mean())
