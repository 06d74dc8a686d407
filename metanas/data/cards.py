"""Cards of domains: what a board shows of the data, in a folder for each domain.

`card.json` says what the data is, whose, under which licence, and which classes each split has; beside it lie
samples, the first example of a few test classes. Samples are copies of data, so only where the licence lets
anyone pass them on. Boards read the folders (`leaderboard/bundle/domain_cards.py`) and need no data. Written
by `metanas data cards`.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metanas.base.atomic import write_atomically
from metanas.data import pictures
from metanas.data.adapter import DOMAINS, Adapter
from metanas.data.roots import DataRoot, root_of
from metanas.data.store import Store, open_store

CARD = "card.json"
MOST_NAMES = 150  # classes of a split whose names stand on the card
SAMPLES = {"image": 8, "text": 6, "speech": 3, "series": 6}  # test classes that are shown
MOST_SECONDS = 1.5  # of a recording
MOST_CHARACTERS = 240  # of a text
FREE = re.compile(
    r"\b(MIT|CC BY(-SA)? \d|BSD-3-Clause|Unicode License|Apache-2\.0|made on the spot|DejaVu Fonts)"
)


@dataclass(frozen=True)
class Sample:
    """One example. files: content by name, none for a text. shown: what card.json says of it."""

    shown: dict[str, Any]
    files: dict[str, bytes]


def write(name: str, out: Path, root: DataRoot) -> Path:
    """Write the card of a domain to the folder `out`/name and return it; what lay there before is replaced.

    UnknownName; DataError for missing data.
    """
    store, adapter = open_store(name, root), DOMAINS[name]()
    free = FREE.search(adapter.licence) is not None
    samples = list(_samples(store, adapter, root)) if free else []
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for sample in samples:
        for file, content in sample.files.items():
            write_atomically(folder / file, content)
    document = {**about(name, adapter), "splits": _splits(store), "samples": [s.shown for s in samples]}
    examples = store.examples
    document |= {
        "examples": len(examples.labels),
        "sample": examples.sample,
        "shape": list(examples.x.shape[1:]),
    }
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    write_atomically(folder / CARD, text.encode())
    return folder


def about(name: str, adapter: Adapter) -> dict[str, Any]:
    """The part of a card that the adapter says, without any data."""
    return {
        "name": name,
        "summary": (adapter.__doc__ or "").partition("\n")[0],
        "modality": adapter.modality,
        "licence": adapter.licence,
        "citation": adapter.citation,
        "synthetic": adapter.synthetic,
    }


def _splits(store: Store) -> dict[str, dict[str, Any]]:
    """Split -> the number of its classes and their names, of many the first."""
    splits = store.examples.splits
    return {
        split: {"classes": len(splits[split]), "names": list(splits[split][:MOST_NAMES])}
        for split in ("train", "val", "test")
        if split in splits
    }


def _samples(store: Store, adapter: Adapter, root: DataRoot) -> Iterator[Sample]:
    """The first example of each of some test classes."""
    examples, extra = store.examples, store.extra
    index = {name: i for i, name in enumerate(examples.classes)}
    classes = examples.splits["test"][: SAMPLES[adapter.modality]]
    rows = {name: int(np.flatnonzero(examples.labels == index[name])[0]) for name in classes}
    clips = {}
    if "clip" in extra:
        clips = dict(
            adapter.clips(root_of(root, store.name), sorted({extra["clip"][r] for r in rows.values()}))
        )
    for number, (name, row) in enumerate(rows.items(), 1):
        shown: dict[str, Any] = {"class": name}
        if "text" in extra:
            text = str(extra["text"][row])
            yield Sample(shown | {"text": _shortened(text)}, {})
            continue
        if adapter.modality == "text":
            yield Sample(shown | {"text": " ".join(str(token) for token in examples.x[row] if token)}, {})
            continue
        draw = pictures.plot if adapter.modality == "series" else pictures.picture
        drawn = draw(np.asarray(examples.x[row]))
        files = {f"{number}.png": drawn.png}
        shown |= {
            "picture": f"{number}.png",
            "width": drawn.width,
            "height": drawn.height,
            "words": drawn.words,
        }
        if "clip" in extra and extra["clip"][row] in clips:
            samples, rate = clips[extra["clip"][row]]
            files[f"{number}.flac"] = pictures.flac(samples[: int(MOST_SECONDS * rate)], rate)
            shown["clip"] = f"{number}.flac"
        yield Sample(shown, files)


def _shortened(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= MOST_CHARACTERS else words[:MOST_CHARACTERS].rsplit(" ", 1)[0] + " \u2026"
