"""A domain: a store and its class splits, from which episodes are drawn as tensors.

Comes after `store.py` (arrays) and `episode.py` (indices); what it returns feeds the stems.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metanas import counter
from metanas.augment import spec_augment
from metanas.episode import (
    Batch,
    ClassTable,
    Episodes,
    EpisodeShape,
    Ints,
    Modality,
    Split,
    TaskSpec,
    class_tables,
    sample,
)
from metanas.kinds import DOMAINS
from metanas.store import Store, open_store
from metanas.suite import DomainOptions
from metanas.vectors import word_table

# Mean and deviation where no meta-train classes are to be measured: pixels to [-1, 1]; and log-mels of
# speech at a usual level, from silence (log 1e-6, about -14) to loud vowels (about 2).
FIXED = {"image": (127.5, 127.5), "speech": (-6.0, 4.0)}


class Domain:
    """A data set made few-shot.

    Inputs leave here normalised by statistics of the meta-train classes alone, or by FIXED ones.
    The arrays are maps of the cache's files, shared between processes.
    """

    def __init__(self, store: Store, options: DomainOptions | None = None) -> None:
        self.store = store
        self.options = options or DomainOptions()
        self.name = store.name
        self.modality: Modality = DOMAINS[store.name].modality
        self.synthetic: bool = DOMAINS[store.name].synthetic
        examples = store.examples
        index = {name: i for i, name in enumerate(examples.classes)}
        splits: dict[Split, Ints] = {
            split: np.array([index[name] for name in names], np.int64)
            for split, names in examples.splits.items()
        }
        groups = None if examples.groups is None else np.asarray(examples.groups)
        self.tables: dict[Split, ClassTable] = class_tables(
            store.name, np.asarray(examples.labels), splits, groups
        )
        if self.options.group_disjoint:
            self.tables["test"] = replace(self.tables["test"], disjoint=True)
        if self.options.augment and self.modality != "speech":
            raise ValueError(f"{self.name}: augment masks spectrograms, and this is {self.modality}")
        self._x = torch.from_numpy(self._inputs())

    def _inputs(self) -> NDArray[Any]:
        examples, options = self.store.examples, self.options
        if options.tokens == "words" and examples.words is None:
            raise ValueError(
                f"{self.name} has no words, which need a text with meta-train classes; use tokens: bytes"
            )
        if options.vectors is not None and options.tokens != "words":
            raise ValueError(f"{self.name}: vectors are of words; set tokens: words as well")
        return examples.x if options.tokens == "bytes" or examples.words is None else examples.words

    @property
    def trains(self) -> bool:
        """Whether it has meta-train classes; if not, it is only evaluated on (transfer)."""
        return "train" in self.tables

    @classmethod
    def open(cls, name: str, root: Path | None = None, options: DomainOptions | None = None) -> "Domain":
        """Build or open the domain's store. KeyError for an unknown name, DataError for missing data."""
        return cls(open_store(name, root), options)

    @property
    def fingerprint(self) -> str:
        """What pins the data as methods see it: the store's, and word tokens and vectors where chosen."""
        if self.options.tokens == "bytes":
            return self.store.fingerprint
        vectors = np.load(self._vectors).tobytes() if self._vectors else b""
        return hashlib.sha256(f"{self.store.fingerprint} words ".encode() + vectors).hexdigest()

    @cached_property
    def _vectors(self) -> str:
        if self.options.vectors is None:
            return ""
        return str(word_table(self.options.vectors, self.store.extra["vocabulary"]))

    def spec(self, ways: int) -> TaskSpec:
        """The task specification at that many ways."""
        shape = tuple(self._x.shape[1:])
        classes = len(self.tables["train"].sizes) if self.trains else 0
        spec = TaskSpec(
            self.name, self.modality, shape, ways, self.store.examples.vocabulary, classes=classes
        )
        if self.options.tokens == "bytes":
            return spec
        words = self.store.words + 2
        return replace(spec, vocabulary=words, lexicon=self.name, vectors=self._vectors)

    def episodes(self, split: Split, shape: EpisodeShape, seed: int, ids: Sequence[int]) -> Episodes:
        """Episodes `ids` of (seed, split); support x (T, ways * shots, ...), query likewise."""
        numbers = np.asarray(ids, np.int64)
        drawn = sample(self.tables[split], seed, shape, numbers)
        support, query = self.gather(drawn.support), self.gather(drawn.query)
        if self.options.augment and split == "train":
            address = ("augment-v1", self.name, seed, shape)
            support = spec_augment(support, counter.key(*address, "support"), numbers)
            query = spec_augment(query, counter.key(*address, "query"), numbers)
        return Episodes(
            self.spec(shape.ways),
            Batch(support, torch.from_numpy(drawn.support_y)),
            Batch(query, torch.from_numpy(drawn.query_y)),
            self._classes(drawn.support, shape) if split == "train" else None,
        )

    def _classes(self, support: Ints, shape: EpisodeShape) -> Tensor:
        """Which meta-train class, from 0, each label of an episode is: (T, ways)."""
        rows = support.reshape(len(support), shape.ways, shape.shots)[:, :, 0]
        return torch.from_numpy(self._train_classes[self.store.examples.labels[rows]])

    @cached_property
    def _train_classes(self) -> Ints:
        """By class of the store: its number among the meta-train classes, -1 for the others."""
        table, examples = self.tables["train"], self.store.examples
        found = np.full(len(examples.classes), -1)
        found[examples.labels[table.rows[table.starts[:-1]]]] = np.arange(len(table.sizes))
        return found

    def gather(self, rows: Ints) -> Tensor:
        """Examples by store row, as a stem takes them: (*rows.shape, *input_shape)."""
        x = self._x.index_select(0, torch.from_numpy(np.ascontiguousarray(rows).ravel()))
        return self.inputs(x.reshape(*rows.shape, *self._x.shape[1:]))

    def inputs(self, x: Tensor) -> Tensor:
        """Raw examples of this domain (..., *input_shape), not necessarily its own, as a stem takes them."""
        if self.modality == "text":
            return x.long()
        mean, scale = self._normalisation
        return x.float().sub_(mean).mul_(scale)  # in place: a new tensor each time costs ten times as much

    @cached_property
    def _normalisation(self) -> tuple[Tensor, Tensor]:
        """Mean and 1 / standard deviation, to be broadcast over one image or spectrogram."""
        mean, deviation = self.store.scale or tuple([value] for value in FIXED[self.modality])
        shape = (-1, 1, 1) if self.modality == "image" else (-1, 1)
        level, spread = (torch.tensor(values).reshape(shape) for values in (mean, deviation))
        return level, 1 / spread
