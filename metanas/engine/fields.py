"""What `--set` takes: every setting of a method, suite, budget and run, with its range and default.

Read from the types themselves (`base/ranges.py`), so that what is shown is what is checked.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from metanas.base.ranges import Range
from metanas.data.suite import Budget, DomainOptions, Suite

_DERIVED = {"budgets", "options", "origin"}  # of a suite: mappings, listed field by field, and its file
_WORDS = {str: "text", bool: "true | false", int: "integer", float: "number", Path: "path"}


class Setting(NamedTuple):
    """One setting. values: what it may be, in words. range: of a number; None where there is none."""

    key: str
    values: str
    default: str
    kind: Any  # its type without annotations
    range: Range | None


def settings(method_settings: type[Any]) -> list[Setting]:
    """All settings of a run of a method; keys as `--set` takes them."""
    run = [
        Setting("tracking", "none | wandb", "none", str, None),
        Setting("trials", "at least 0", "None", int, Range(least=0)),
    ]
    return [
        *of(method_settings, defaults=method_settings()),
        *of(Suite, "suite."),
        *of(DomainOptions, "suite.options.DOMAIN."),
        *of(Budget, "budget."),
        *run,
    ]


def of(kind: type[Any], prefix: str = "", *, defaults: Any = None) -> Iterator[Setting]:
    """The fields of a dataclass or model, those of nested ones with dots. defaults: an instance of it."""
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if name.startswith("_") or name in _DERIVED or name == "model_config":
            continue
        default = getattr(defaults, name) if defaults is not None else _model_default(kind, name)
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            yield from of(hint, f"{prefix}{name}.", defaults=default)
            continue
        base, bounds, words = _described(hint)
        yield Setting(f"{prefix}{name}", words, _text(default), base, bounds)


def range_of(method_settings: type[Any], key: str) -> Range | None:
    """The range of a method's setting; None for one that has none."""
    found: Mapping[str, Setting] = {s.key: s for s in of(method_settings, defaults=method_settings())}
    return found[key].range if key in found else None


def _model_default(kind: type[Any], name: str) -> Any:
    if issubclass(kind, BaseModel) and not (field := kind.model_fields[name]).is_required():
        return field.default
    return ""


def _described(hint: Any) -> tuple[Any, Range | None, str]:
    """Its type without annotations, the range of its numbers, and what it may be in words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:  # with a range, or with what it may be in words
        base, bounds, words = _described(arguments[0])
        own = next((a for a in arguments[1:] if isinstance(a, Range)), None)
        said = next((a for a in arguments[1:] if isinstance(a, str)), words)
        return base, own or bounds, str(own) if own else said
    if origin is Literal:
        return str, None, " | ".join(map(str, arguments))
    if origin in (Union, UnionType):
        inner = [_described(a) for a in arguments if a is not NoneType]
        base, bounds, words = inner[0]
        return base, bounds, f"{words}, or null"
    if origin is tuple:
        base, bounds, words = _described(arguments[0])
        return base, bounds, f"list: each {words}"
    return (
        hint,
        None,
        {str: "text", bool: "true | false", int: "integer", float: "number", Path: "path"}.get(hint, ""),
    )


def _text(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)
