"""Adapters that are wrong in one way each: the message names domain, field and the right form."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metanas.base.errors import DataError
from metanas.data.adapter import DOMAINS, Adapter, Examples
from metanas.data.domain import Domain
from metanas.data.store import is_ready, open_store

rng = np.random.default_rng(0)
LABELS = np.repeat(np.arange(4), 6)
SPLITS = {"train": ("a", "b"), "test": ("c", "d")}


def clips() -> Any:
    x = rng.standard_normal((24, 5, 8)).astype(np.float16)
    x[:, :, 6:] = np.nan
    return x


INPUTS: dict[str, Any] = {
    "image": rng.integers(0, 256, (24, 3, 4, 4), np.uint8),
    "text": rng.integers(1, 257, (24, 10)).astype(np.int16),
    "speech": clips(),
    "series": clips().astype(np.float32),
}


def right(modality: str) -> Examples:
    vocabulary = 257 if modality == "text" else 0
    return Examples(INPUTS[modality], LABELS, tuple("abcd"), SPLITS, "0" * 64, vocabulary=vocabulary)  # type: ignore[arg-type]


class Own(Adapter):
    """An adapter of somebody's own, whose examples a test sets."""

    modality = "image"
    licence = citation = "none"
    synthetic = False
    packages = ()
    recipe = "v1"
    examples: Any = None

    def locate(self, root: Path | None) -> tuple[Path, ...]:
        return ()

    def load(self, root: Path | None) -> Examples:
        found: Examples = self.examples
        return found


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DOMAINS._things, "own", Own)
    monkeypatch.setenv("METANAS_CACHE", str(tmp_path))


def build(modality: str, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    monkeypatch.setattr(Own, "modality", modality)
    monkeypatch.setattr(Own, "examples", replace(right(modality), **changes))
    open_store("own")


@pytest.mark.parametrize("modality", list(INPUTS))
def test_what_is_right_is_taken(modality: str, monkeypatch: pytest.MonkeyPatch) -> None:
    build(modality, monkeypatch, groups=LABELS)
    domain = Domain.open("own")
    assert domain.spec(2).input_shape == INPUTS[modality].shape[1:]


X, TEXT, CLIPS = INPUTS["image"], INPUTS["text"], INPUTS["speech"]
SAME = np.concatenate([X[:12], X[:12]])
WRONG: list[tuple[str, dict[str, Any], str]] = [
    (
        "image",
        {"x": X.transpose(0, 2, 3, 1)},
        r"x has shape \(24, 4, 4, 3\).*channels are last: x.transpose\(0, 3, 1, 2\)",
    ),
    ("image", {"x": X[:, 0]}, r"x has shape \(24, 4, 4\).*grey images have one channel: x\[:, None\]"),
    ("image", {"x": X.astype(np.float32) / 255}, "x is float32; image is uint8 from 0 to 255"),
    ("image", {"x": X.tolist()}, r"x is a list; it is a numpy array \(n, channels, height, width\)"),
    ("image", {"x": X[:0]}, "no examples"),
    ("text", {"x": TEXT[0]}, r"x has shape \(10,\); text is \(n, width\)"),
    ("text", {"x": TEXT.astype(np.float32)}, "x is float32; text is token ids as integers"),
    ("speech", {"x": CLIPS[:, 0]}, r"x has shape \(24, 8\); speech is \(n, bands, frames\)"),
    ("speech", {"x": np.nan_to_num(CLIPS).astype(np.int16)}, "x is int16; speech is floating-point log-mels"),
    ("image", {"labels": LABELS[:9]}, "labels has 9 entries for 24 examples in x; one for each"),
    ("image", {"labels": list("abcd")}, r"labels is list; it is an array of integers \(n,\)"),
    (
        "image",
        {"labels": LABELS.astype(np.float64)},
        r"labels is float64 \(24,\); it is an array of integers",
    ),
    ("image", {"labels": LABELS - 1}, "labels: label -1 of 4 classes, which count from 0"),
    ("image", {"groups": LABELS[:3]}, "groups has 3 entries for 24 examples"),
    ("image", {"classes": tuple("abca")}, "classes: 'a' stands there twice"),
    (
        "image",
        {"splits": {"training": ("a", "b"), "test": ("c", "d")}},
        "no split is named 'training'; did you mean 'train'",
    ),
    (
        "image",
        {"splits": {"train": ("a",), "validation": ("b",)}},
        "no split is named 'validation'; did you mean 'val'",
    ),
    (
        "image",
        {"splits": {"train": ("a", "b", "c", "d")}},
        "splits: no class is in 'test'; a domain is tested",
    ),
    ("image", {"splits": {**SPLITS, "val": ()}}, "splits: 'val' has no classes; leave it out"),
    (
        "image",
        {"splits": {"test": ("c", "dd")}},
        "splits: 'dd' of test is none of the classes; did you mean 'd'",
    ),
    ("image", {"splits": {"train": ("a",), "test": ("a", "c")}}, "splits: 'a' is in both train and test"),
    ("image", {"labels": np.minimum(LABELS, 2)}, "class 'd' of test has no examples"),
    ("text", {"vocabulary": 256}, "x has token 256, but vocabulary is 256; tokens are from 0"),
    (
        "text",
        {"vocabulary": 0},
        "vocabulary is 0; it is the number of token ids in x with padding, 257 for bytes",
    ),
    ("text", {"x": TEXT - 7}, "x has token -."),
    ("text", {"x": TEXT * (np.arange(24) != 5)[:, None]}, "x: example 5 is nothing but padding"),
    ("text", {"words": TEXT}, "extra has no 'vocabulary'"),
    ("text", {"words": TEXT, "extra": {"vocabulary": ["one"]}}, "words has token .*, but vocabulary is 3"),
    (
        "text",
        {"words": TEXT[:5], "extra": {"vocabulary": ["one"]}},
        r"words is int16 \(5, 10\); it is integers \(24, w",
    ),
    (
        "speech",
        {"x": np.where(np.arange(24)[:, None, None] == 7, np.nan, CLIPS)},
        "x: example 7 has nothing but NaN",
    ),
    ("speech", {"x": np.where(np.arange(8) == 2, np.nan, CLIPS)}, "x: example 0 has NaN that is no padding"),
    ("series", {"x": np.where(np.arange(8) == 2, np.nan, CLIPS)}, "which is whole steps at the end"),
    ("series", {"x": TEXT}, r"x has shape \(24, 10\); series is \(n, channels, steps\)"),
    (
        "speech",
        {"x": np.where(np.arange(5)[:, None] == 2, np.nan, CLIPS)},
        "x: example 0 has NaN that is no padding",
    ),
    ("speech", {"x": np.where(np.arange(8) == 2, np.inf, CLIPS)}, "x: example 0 has an infinite value"),
    ("image", {"x": X * 0}, "x: all 6 examples of class 'a' are the same"),
    ("image", {"x": SAME}, "splits: every example of class 'c' of test also stands in meta-train"),
]


@pytest.mark.parametrize(("modality", "changes", "message"), WRONG, ids=[w[2][:30] for w in WRONG])
def test_what_is_wrong_is_named(
    modality: str, changes: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=f"^own: .*{message}"):
        build(modality, monkeypatch, **changes)
    assert not is_ready("own"), "nothing wrong reaches the cache"


def test_an_adapter_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Own, "examples", [1, 2])
    with pytest.raises(DataError, match="own: load returned list; it returns metanas.data.adapter.Examples"):
        open_store("own")
    monkeypatch.setattr(Own, "modality", "images")
    with pytest.raises(DataError, match="own: modality is 'images'; it is image, text, speech or series"):
        open_store("own")
    monkeypatch.delattr(Own, "recipe")
    with pytest.raises(DataError, match="own: .*Own has no 'recipe'; an adapter has modality, licence"):
        open_store("own")
