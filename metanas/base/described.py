"""A user's YAML file as a pydantic model; a fault in it is one line with key, value and what was meant."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from metanas.base import yaml_text
from metanas.base.errors import InvalidValue
from metanas.base.meant import NONE, meant

M = TypeVar("M", bound=BaseModel)
Place = tuple[int | str, ...]


def read(path: Path, kind: type[M], fault: str, synonyms: Mapping[str, str] = NONE) -> M:
    """The model in a YAML file. InvalidValue names the file, says what it does not do (`fault`), and why.

    fault: "does not describe a suite". synonyms: words that users take for a key or a value, and what it is.
    """
    try:
        content = yaml_text.read(path)
    except OSError as error:
        raise InvalidValue(f"{path} cannot be read: {error.strerror}") from error
    if content is None:
        raise InvalidValue(f"{path} {fault}: it is empty")
    return checked(content, kind, f"{path} {fault}", synonyms)


def checked(content: Any, kind: type[M], fault: str, synonyms: Mapping[str, str] = NONE) -> M:
    """The model with this content. InvalidValue begins with `fault`."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise InvalidValue(f"{fault}: {_first(error, kind, content, synonyms)}") from error


def _first(error: ValidationError, kind: type[BaseModel], content: Any, synonyms: Mapping[str, str]) -> str:
    """What is wrong first, in words; a key that there is not comes before one that is missing for it.

    Of a value that may be of several types, it is the fault that lies deepest: it is meant to be of that one.
    """
    found = [(_place(one["loc"], content), one) for one in error.errors(include_url=False)]
    begin, _ = next((each for each in found if each[1]["type"] == "extra_forbidden"), found[0])
    place, one = max(
        (each for each in found if each[0][: len(begin)] == begin), key=lambda each: len(each[0])
    )
    where, said = ".".join(map(str, place)), _said(one, kind, place, synonyms)
    return f"{where}: {said}" if where else said


def _place(place: Place, content: Any) -> Place:
    """A place without the names of types, which pydantic has where a value may be of several."""
    kept: list[int | str] = []
    for number, part in enumerate(place):
        if isinstance(content, dict) and part in content:
            content = content[part]
        elif isinstance(content, list) and isinstance(part, int) and part < len(content):
            content = content[part]
        elif not (isinstance(content, dict) and number == len(place) - 1):  # else the key that is missing
            continue
        kept.append(part)
    return tuple(kept)


def _said(one: Mapping[str, Any], kind: type[BaseModel], place: Place, synonyms: Mapping[str, str]) -> str:
    value, said = one["input"], one["msg"].removeprefix("Value error, ")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match one["type"]:
        case "extra_forbidden":
            within = [key for key in kind.model_fields if place[-1] in _keys(kind, (key,))]
            hint = f"; it is one of {within[0]}" if len(place) == 1 and within else ""
            return f"there is no such key{hint or meant(place[-1], _keys(kind, place[:-1]), synonyms)}"
        case "missing":
            return "it is missing"
        case "literal_error":
            known = one["ctx"]["expected"].replace(" or ", ", ").replace("'", "").split(", ")
            return f"it is {value!r:.60}{meant(value, known, synonyms)}"
        case "tuple_type":
            return f"it is {value!r:.60}; it must be a list, as [{value!s:.60}]"
        case "dict_type" | "model_type":
            return f"it is {value!r:.60}; it must be keys with values, as {{key: value}}"
        case "string_type" if is_number:
            return f"it is {value!r}, a number; it must be text, so quote it: '{value}'"
        case "value_error" if not is_number:  # such a message has the value
            return said
    return f"{said}, got {value!r:.80}"


def _keys(kind: type[BaseModel], place: Place) -> Sequence[str]:
    """The keys of the model at a place in another; a key that is no field of it is one of a mapping."""
    models: list[type[BaseModel]] = [kind]
    for part in place:
        hints = [model.model_fields[part].annotation for model in models if part in model.model_fields]
        models = [inner for hint in hints for inner in _models(hint)] if hints else models
    return [key for model in models for key in model.model_fields]


def _models(hint: Any) -> Iterator[type[BaseModel]]:
    """All models in a type: those of values, of the members of unions."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint
    for part in get_args(hint):
        yield from _models(part)
