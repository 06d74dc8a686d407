"""The project's docstrings, plain text with names in backticks, as the reStructuredText of autodoc."""

import re
from typing import Any

_CODE = re.compile(r"`([^`]+)`(\w?)")
_FIELD = re.compile(r"([a-z_][\w, ]*): ")


def as_text(app: Any, what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    """Sphinx's event autodoc-process-docstring; changes `lines`."""
    paragraphs = "\n".join(lines).split("\n\n")
    lines[:] = "\n\n".join(map(_paragraph, paragraphs)).splitlines() + [""]


def _paragraph(text: str) -> str:
    """One paragraph; one of fields whose continuation lines are indented becomes a list."""
    lines = text.splitlines()
    if not any(line.startswith("    ") for line in lines[1:]) or not any(map(_FIELD.match, lines)):
        return _inline(text)
    out: list[str] = []
    for line in lines:
        if field := _FIELD.match(line):
            out += ["", f"- **{field[1]}**: {_inline(line[field.end() :])}"]
        elif line.startswith("    "):
            out.append(f"  {_inline(line.strip())}")
        else:
            out += ["", _inline(line)]
    return "\n".join(out).strip()


def _inline(text: str) -> str:
    """What is in backticks as code, everything else as it stands."""
    parts = _CODE.split(text)  # plain, code, the letter after it, plain, ...
    plain = [re.sub(r"([*|\\])", r"\\\1", part) for part in parts[::3]]
    code = [
        f"``{name}``{letter and chr(92) + ' '}{letter}"
        for name, letter in zip(parts[1::3], parts[2::3], strict=True)
    ]
    return plain[0] + "".join(a + b for a, b in zip(code, plain[1:], strict=True))
