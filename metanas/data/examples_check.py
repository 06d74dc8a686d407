"""What an adapter must be and return, checked when a store is built: domain, field, fault and right form.

`store.py` calls it after `Adapter.load`, so that wrong data never reaches the cache. A fault is a DataError.
"""

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from metanas.base.errors import DataError
from metanas.data.adapter import Adapter, Examples
from metanas.data.episode import META_SPLITS, SPLITS, Ints, Modality

ATTRIBUTES = ("modality", "licence", "citation", "synthetic", "packages", "recipe")
PIECE = 4096  # examples that are looked at together: masks of all may not fit


class _Form(NamedTuple):
    """The inputs of a modality. kinds: numpy's letters of data types."""

    axes: str
    kinds: str
    values: str


FORMS: dict[Modality, _Form] = {
    "image": _Form("(n, channels, height, width), 1 or 3 channels", "u", "uint8 from 0 to 255"),
    "text": _Form("(n, width)", "iu", "token ids as integers, 0 for padding"),
    "speech": _Form("(n, bands, frames)", "f", "floating-point log-mels, NaN for padding"),
    "series": _Form("(n, channels, steps)", "f", "floating-point values, NaN for padding"),
}


def check_adapter(name: str, adapter: type[Adapter]) -> None:
    """DataError if the class lacks an attribute of `adapter.Adapter`, or its modality is none."""
    for attribute in ATTRIBUTES:
        if not hasattr(adapter, attribute):
            raise DataError(
                f"{name}: {adapter.__module__}.{adapter.__qualname__} has no {attribute!r}; an adapter has "
                f"{', '.join(ATTRIBUTES)}"
            )
    if adapter.modality not in get_args(Modality):
        raise DataError(f"{name}: modality is {adapter.modality!r}; it is {_either(get_args(Modality))}")


def check_examples(name: str, modality: Modality, examples: Examples, content: Ints) -> None:
    """DataError for the first field of the examples that is not as `Examples` says.

    content: (n,) as `duplicates.contents` numbers it.
    """
    _splits(name, examples)
    _labels(name, examples)
    _texts(name, modality, examples)
    if modality in ("speech", "series"):
        _padding(name, examples, "frames" if modality == "speech" else "steps")
    _repeats(name, examples, content)


def check_inputs(name: str, modality: Modality, examples: object) -> Examples:
    """The examples, whose `x` is an array of the modality's form. DataError."""
    if not isinstance(examples, Examples):
        raise DataError(
            f"{name}: load returned {type(examples).__name__}; it returns metanas.data.adapter.Examples"
        )
    x, form = examples.x, FORMS[modality]
    if not isinstance(x, np.ndarray):
        raise DataError(f"{name}: x is a {type(x).__name__}; it is a numpy array {form.axes}")
    if x.ndim != form.axes.partition(")")[0].count(",") + 1 or (
        modality == "image" and x.shape[1] not in (1, 3)
    ):
        raise DataError(f"{name}: x has shape {x.shape}; {modality} is {form.axes}{_layout(x, modality)}")
    if not x.size:
        raise DataError(f"{name}: x has shape {x.shape}: no examples")
    if x.dtype.kind not in form.kinds or (modality == "image" and x.dtype != np.uint8):
        raise DataError(f"{name}: x is {x.dtype}; {modality} is {form.values}")
    return examples


def _layout(x: NDArray[Any], modality: Modality) -> str:
    """What to do to images whose channels are last or missing."""
    if modality == "image" and x.ndim == 4 and x.shape[-1] in (1, 3):
        return "; the channels are last: x.transpose(0, 3, 1, 2)"
    if modality == "image" and x.ndim == 3:
        return "; grey images have one channel: x[:, None]"
    return ""


def _splits(name: str, examples: Examples) -> None:
    classes, home = list(examples.classes), dict[str, str]()
    if twice := {c for c in classes if classes.count(c) > 1}:
        raise DataError(f"{name}: classes: {min(twice)!r} stands there twice")
    for split, names in examples.splits.items():
        if split not in SPLITS:
            raise DataError(
                f"{name}: splits: no split is named {split!r}{_meant(split)}; they are {_either(SPLITS)}"
            )
        for class_name in names:
            if class_name not in classes:
                near = difflib.get_close_matches(str(class_name), classes, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise DataError(f"{name}: splits: {class_name!r} of {split} is none of the classes{hint}")
            if class_name in home:
                raise DataError(f"{name}: splits: {class_name!r} is in both {home[class_name]} and {split}")
            home[class_name] = split
    if not examples.splits.get("test"):
        raise DataError(
            f"{name}: splits: no class is in 'test'; a domain is tested on the classes of that split"
        )
    if empty := [split for split, names in examples.splits.items() if not names]:
        raise DataError(f"{name}: splits: {empty[0]!r} has no classes; leave it out")


def _meant(split: object) -> str:
    short = META_SPLITS.get(f"meta-{split}") or META_SPLITS.get(str(split))
    near = [short] if short else difflib.get_close_matches(str(split), SPLITS, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _labels(name: str, examples: Examples) -> None:
    count, number = len(examples.x), len(examples.classes)
    for field in ("labels", "groups"):
        array = getattr(examples, field)
        if array is None and field == "groups":
            continue
        if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype.kind not in "iu":
            got = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
            raise DataError(f"{name}: {field} is {got}; it is an array of integers (n,)")
        if len(array) != count:
            raise DataError(
                f"{name}: {field} has {len(array)} entries for {count} examples in x; one for each"
            )
    if wrong := [label for label in np.unique(examples.labels) if not 0 <= label < number]:
        raise DataError(f"{name}: labels: label {wrong[0]} of {number} classes, which count from 0")
    counts = np.bincount(examples.labels, minlength=number)
    filled = {c for c, many in zip(examples.classes, counts, strict=True) if many}
    for split, classes in examples.splits.items():
        if empty := [c for c in classes if c not in filled]:
            raise DataError(f"{name}: class {empty[0]!r} of {split} has no examples")


def _texts(name: str, modality: Modality, examples: Examples) -> None:
    if modality == "text":
        if examples.vocabulary < 2:
            raise DataError(
                f"{name}: vocabulary is {examples.vocabulary}; it is the number of token ids in x with "
                "padding, 257 for bytes"
            )
        _tokens(name, "x", examples.x, examples.vocabulary)
        if len(blank := np.flatnonzero(~examples.x.any(axis=1))):
            raise DataError(f"{name}: x: example {blank[0]} is nothing but padding")
    words = examples.words
    if words is None:
        return
    if "vocabulary" not in examples.extra:
        raise DataError(f"{name}: extra has no 'vocabulary', the list of the words behind `words`")
    if words.shape[:1] != examples.x.shape[:1] or words.ndim != 2 or words.dtype.kind not in "iu":
        raise DataError(
            f"{name}: words is {words.dtype} {words.shape}; it is integers ({len(examples.x)}, width)"
        )
    _tokens(name, "words", words, len(examples.extra["vocabulary"]) + 2)


def _tokens(name: str, field: str, ids: NDArray[Any], vocabulary: int) -> None:
    least, most = int(ids.min()), int(ids.max())
    if least < 0 or most >= vocabulary:
        raise DataError(
            f"{name}: {field} has token {least if least < 0 else most}, but vocabulary is {vocabulary}; "
            f"tokens are from 0 (padding) to {vocabulary - 1}"
        )


def _padding(name: str, examples: Examples, unit: str) -> None:
    """DataError unless NaN stands in whole frames or steps at the end alone, and all else is finite."""
    for first, x in _pieces(examples.x):
        padding = np.isnan(x)  # (n, bands or channels, frames or steps)
        frames = padding.all(axis=1)
        faults = {
            "an infinite value": np.isinf(x).any(axis=(1, 2)),
            "nothing but NaN": frames.all(axis=1),
            f"NaN that is no padding, which is whole {unit} at the end": (
                (padding.any(axis=1) != frames).any(axis=1)
                | (np.diff(frames.astype(np.int8), axis=1) < 0).any(axis=1)
            ),
        }
        for fault, where in faults.items():
            if where.any():
                raise DataError(f"{name}: x: example {first + int(where.argmax())} has {fault}")


def _pieces(x: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    for first in range(0, len(x), PIECE):
        yield first, x[first : first + PIECE]


def _repeats(name: str, examples: Examples, content: Ints) -> None:
    """DataError for a class with one input alone, or a meta-test class that is all in meta-train."""
    labels, number = np.asarray(examples.labels), {c: i for i, c in enumerate(examples.classes)}
    used = [(split, c) for split, names in examples.splits.items() for c in names]
    train = np.isin(labels, [number[c] for split, c in used if split == "train"])
    seen = set(content[train].tolist())
    for split, class_name in used:
        mine = content[labels == number[class_name]].tolist()
        if len(mine) > 1 and len(set(mine)) == 1:
            raise DataError(f"{name}: x: all {len(mine)} examples of class {class_name!r} are the same")
        if split != "train" and seen.issuperset(mine):
            raise DataError(
                f"{name}: splits: every example of class {class_name!r} of {split} also stands in meta-train"
            )


def _either(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
