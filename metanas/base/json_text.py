"""JSON that metanas wrote: one reader, whose errors say which file, what is wrong and what to do.

`yaml_text.py` is the same for YAML, `measured.py` for files that only save time.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from metanas.base.errors import DamagedFile


def loads(text: str | bytes) -> Any:
    """The value of a JSON text; ValueError if it is none, or nested too deeply to be read."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def parse(text: str | bytes, source: str, remedy: str, *, keys: tuple[str, ...] = ()) -> dict[str, Any]:
    """The JSON object of a text. DamagedFile if it is cut, another value, or lacks one of `keys`.

    source: where it stands; remedy: what to do, as the end of the message.
    """
    try:
        value = loads(text)
    except ValueError as error:  # not UTF-8 is a ValueError
        raise DamagedFile(f"{source} is damaged ({error}); {remedy}") from error
    if not isinstance(value, dict):
        raise DamagedFile(f"{source} is damaged (not an object: {value!r:.40}); {remedy}")
    if missing := [key for key in keys if key not in value]:
        raise DamagedFile(f"{source} is damaged (it has no {missing[0]!r}); {remedy}")
    return value


def read(path: Path, remedy: str, *, keys: tuple[str, ...] = ()) -> dict[str, Any]:
    """The JSON object in a file. DamagedFile as of `parse`, or if the file cannot be read."""
    return parse(_content(path, remedy), str(path), remedy, keys=keys)


def number(value: Mapping[str, Any], key: str, source: str, remedy: str) -> float:
    """The number of an entry. DamagedFile for any other kind of value, and one that is not finite."""
    found = value[key]
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise DamagedFile(f"{source} is damaged ({key} is {found!r:.40}, not a number); {remedy}")
    return found


def read_lines(path: Path, remedy: str, *, keys: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
    """The JSON objects of a .jsonl file, one each line. DamagedFile names file and line."""
    for number, line in enumerate(_content(path, remedy).splitlines(), 1):
        yield parse(line, f"{path}, line {number},", remedy, keys=keys)


def _content(path: Path, remedy: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DamagedFile(f"{path} cannot be read ({error.strerror}); {remedy}") from error
