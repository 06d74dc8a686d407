"""The cards of domains: what the data is, whose, which classes, with samples.

`metanas data cards` writes them to `static/domains/`, a folder each, so a board needs no data to show them.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from metanas.data.episode import Modality

FOLDER = Path(__file__).parents[1] / "static" / "domains"


class Split(NamedTuple):
    """The classes of a split: their number and their names, of many only the first."""

    classes: int
    names: tuple[str, ...]


class Card(NamedTuple):
    """A domain. splits: train, val, test. samples: as in card.json; none where the licence forbids."""

    name: str
    summary: str
    modality: Modality
    licence: str
    citation: str
    synthetic: bool
    examples: int
    sample: bool  # `examples` are those of a part of the data set
    splits: dict[str, Split]
    samples: tuple[dict[str, Any], ...]
    shape: tuple[int, ...]  # of an input, as in `TaskSpec.input_shape`

    def classes(self, split: str) -> int:
        """The number of classes of a split, 0 if it has none."""
        return self.splits[split].classes if split in self.splits else 0


@cache
def cards() -> dict[str, Card]:
    """All cards by domain, sorted by name."""
    found = (_read(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*/card.json")))
    return {card.name: card for card in found}


def find(domain: str) -> Card | None:
    """The card of a domain; None for one of an outside suite, which has none."""
    return cards().get(domain)


def _read(text: str) -> Card:
    document = json.loads(text)
    splits = {name: Split(s["classes"], tuple(s["names"])) for name, s in document.pop("splits").items()}
    lists = {name: tuple(document[name]) for name in ("samples", "shape")}
    return Card(**{**document, **lists, "splits": splits})
