"""YAML that a user wrote: one reader, whose errors say where the text came from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from metanas.base.errors import InvalidValue


def parse(text: str, source: str) -> Any:
    """The value of a YAML text. InvalidValue names `source` and the fault.

    PyYAML raises ValueErrors of its own for what looks like a date or a number and is none.
    """
    try:
        value = yaml.safe_load(text)
        for part in _texts(value):
            part.encode()  # half a character, as an escape can make it, is in no file or page
        return value
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InvalidValue(f"{source} is not YAML: {reason}") from error


def _texts(value: Any) -> Iterator[str]:
    """All texts in a value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts([*value, *value.values()])
    elif isinstance(value, list | tuple | set):
        for part in value:
            yield from _texts(part)


def read(path: Path) -> Any:
    """The value of a YAML file. InvalidValue for one that is not YAML or not UTF-8; OSError."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidValue(f"{path} is not UTF-8: {error}") from error
    return parse(text, str(path))
