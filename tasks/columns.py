"""What a value of a foreign table may be: text, the number of a class, the name of a class, an image file.

A kind is a function from the value as it was read to the value as it is used; it raises ValueError with what
would be right. `files.table` adds the file, the row, the column and the value.
"""

import difflib
import json
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

Kind = Callable[[Any], Any]


def text(value: Any) -> str:
    """Text that can be written as UTF-8: JSON may hold half of a surrogate pair, which is no character."""
    if not isinstance(value, str):
        raise ValueError("expected text")
    if not value:
        raise ValueError("expected some text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"half of a surrogate pair at character {error.start + 1}") from error
    return value


def number(least: int, most: int) -> Kind:
    """A whole number in least..most, or, as CSV has it, its digits."""

    def read(value: Any) -> int:
        expected = f"expected a whole number from {least} to {most}"
        if isinstance(value, str):
            try:
                value = int(value)
            except ValueError:
                raise ValueError(expected) from None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(expected)
        return value

    return read


def one_of(names: Collection[str], *, others: bool = False) -> Kind:
    """The name of a class. others: a data set that has more classes than are used.

    A name that differs from a known one in case or spaces alone is never one of the others.
    """
    known, near_to = set(names), {folded(name): name for name in names}

    def read(value: Any) -> str:
        name = text(value)
        if name in known:
            return name
        near = [near_to[key] for key in difflib.get_close_matches(folded(name), near_to, n=1)]
        if folded(name) in near_to or not others:
            hint = f"; did you mean {near[0]!r}?" if near else f", e.g. {min(known)!r}"
            raise ValueError(f"expected one of the {len(known)} classes{hint}")
        return name

    return read


def image_file(value: Any) -> bytes:
    """The content of an image file, from the structure (bytes, path) of Hugging Face's Parquet files."""
    if not isinstance(value, dict) or not isinstance(value.get("bytes"), bytes):
        raise ValueError("expected an image as {bytes, path}")
    return bytes(value["bytes"])


def series(value: Any) -> NDArray[np.float32]:
    """A series (channels, steps): a list of numbers, a list of such lists by channel, or either as JSON."""
    expected = "expected a list of numbers, or one such list a channel, all of one length"
    try:
        found = np.asarray(json.loads(value) if isinstance(value, str) else value)
    except ValueError:  # no JSON, or lists of several lengths
        raise ValueError(expected) from None
    if found.dtype.kind not in "iuf" or found.ndim not in (1, 2) or not found.size:
        raise ValueError(expected)
    return np.atleast_2d(found.astype(np.float32))


def folded(name: str) -> str:
    """A name without case and spaces: names that differ in these alone are taken for one."""
    return "".join(name.casefold().split())
