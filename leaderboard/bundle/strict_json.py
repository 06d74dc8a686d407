"""A strict JSON parser for untrusted files.

It accepts only what Python, the database and a browser read in the same way, and refuses deep nesting,
repeated keys, NaN and infinities, huge numbers, and NUL or lone surrogates in text.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from leaderboard.bundle.problem import refuse

DEEPEST, DIGITS = 32, 19  # most levels of nesting; most digits of an integer
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)  # whole strings, and brackets outside them


def parse(file: str, content: bytes) -> dict[str, Any]:
    """The JSON object in a file of a bundle. BundleError, naming `file`, if it is not strict JSON."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refuse(file, f"not UTF-8: byte {error.start} cannot be decoded") from error
    if (depth := _depth(text)) > DEEPEST:
        raise refuse(file, f"nested {depth} levels deep, at most {DEEPEST} are allowed")

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(items)
        if len(result) != len(items):
            keys = [key for key, _ in items]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise refuse(file, f"the key {twice[:80]!r} stands twice in one object")
        return result

    def integer(digits: str) -> int:
        if len(digits) > DIGITS:
            raise refuse(file, f"the number {digits[:40]} has more than {DIGITS} digits")
        return int(digits)

    def constant(name: str) -> float:
        raise refuse(file, f"{name} is not a number in JSON", hint="write null, or leave the key out")

    def real(digits: str) -> float:
        number = float(digits)
        if not math.isfinite(number):
            raise refuse(file, f"the number {digits[:40]} is too large")
        return number

    try:
        document = json.loads(
            text, object_pairs_hook=pairs, parse_int=integer, parse_constant=constant, parse_float=real
        )
    except json.JSONDecodeError as error:
        raise refuse(file, f"not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from error
    if not isinstance(document, dict):
        raise refuse(file, f"expected an object, got {type(document).__name__}")
    for string in _strings(document):
        if any("\ud800" <= c <= "\udfff" or c == "\0" for c in string):
            raise refuse(file, f"the text {string[:40]!r} has a NUL or half of a surrogate pair")
    return document


def _depth(text: str) -> int:
    """The deepest nesting of brackets outside strings, without recursion."""
    deepest = depth = 0
    for token in _TOKENS.finditer(text):
        if token[0] in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif token[0] in "]}":
            depth -= 1
    return deepest


def _strings(value: Any) -> Iterator[str]:
    """Every key and every string in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
