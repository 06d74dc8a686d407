"""Procedural domains: classes that are rules, and examples that a program makes from a seed.

They are the controls of `planted-v1`: each rule can be seen by some operations of the search space and, by
construction, not by others, so the right architecture is known. A domain is one file beside this one. It
says which rules belong to which split and how `Dice` make examples of them; what it makes are integers
(letters, pixels or a plan of tones), hashed before any floating point. Docs: docs/planted.md.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from metanas.data.adapter import Adapter, Examples
from metanas.data.episode import SPLITS, Ints, Split
from tasks.modality.text import BYTES
from tasks.planted.dice import Dice

Rule = tuple[int, ...]
EACH: Mapping[Split, int] = {"train": 1000, "val": 100, "test": 200}  # examples of a class


class Procedural(Adapter, ABC):
    """A domain whose examples are computed. Splits never share a seed; most do not share a rule either.

    name: as registered. rules: of each split; a rule that stands in two splits is a class of its own in each.
    each: examples of a class by split.
    """

    licence = "made on the spot (Apache-2.0)"
    citation = "MetaNAS-Bench, docs/planted.md"
    synthetic = True
    spoken = False  # tones at their beats: another pitch or tempo is another class
    packages = ()
    recipe = "v1"

    name: ClassVar[str]
    rules: ClassVar[Mapping[Split, Sequence[Rule]]]
    each: ClassVar[Mapping[Split, int]] = EACH

    @abstractmethod
    def make(self, dice: Dice, split: Split, rules: Ints) -> Ints:
        """One example per row of rules (n, parameters), as integers (n, ...)."""

    @abstractmethod
    def inputs(self, made: Ints) -> NDArray[Any]:
        """What `make` made as `Examples.x` (n, *input_shape)."""

    def locate(self, root: Path | None) -> Sequence[Path]:
        return ()

    def load(self, root: Path | None) -> Examples:
        parts, labels, splits, classes = [], [], dict[Split, tuple[str, ...]](), list[str]()
        for split in SPLITS:
            rules, each = np.array(self.rules[split], np.int64), self.each[split]
            parts.append(self.make(Dice(self.name, split), split, rules.repeat(each, axis=0)))
            labels.append(np.arange(len(classes), len(classes) + len(rules)).repeat(each))
            splits[split] = tuple(f"{split} {' '.join(map(str, rule))}" for rule in self.rules[split])
            classes += splits[split]
        made = np.concatenate(parts)
        return Examples(
            x=self.inputs(made),
            labels=np.concatenate(labels),
            classes=tuple(classes),
            splits=splits,
            source=hashlib.sha256(np.ascontiguousarray(made, "<i8").tobytes()).hexdigest(),
            **self.about(made),
        )

    def about(self, made: Ints) -> dict[str, Any]:
        """Further fields of `Examples`; none unless the form of a domain has some."""
        return {}


class Letters(Procedural):
    """A text of letters; `make` returns their code points (n, width), below 256."""

    modality = "text"

    def inputs(self, made: Ints) -> NDArray[np.int16]:
        return (made + 1).astype(np.int16)

    def about(self, made: Ints) -> dict[str, Any]:
        texts = [bytes(row).decode("ascii") for row in made.astype(np.uint8)]
        return {"vocabulary": BYTES, "extra": {"text": texts}}


class Pixels(Procedural):
    """A grey image; `make` returns pixels (n, H, W) in 0..255."""

    modality = "image"

    def inputs(self, made: Ints) -> NDArray[np.uint8]:
        return made[:, None].astype(np.uint8)


def tiles(made: Ints, side: int) -> Ints:
    """Each cell (n, H, W) as a square of `side` pixels: (n, H * side, W * side)."""
    return made.repeat(side, axis=1).repeat(side, axis=2)
