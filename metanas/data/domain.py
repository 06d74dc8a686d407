"""Domains: a data set with its class splits, from which tasks are drawn as tensors.

Comes after `store.py` (arrays on disk) and `sampler.py` (example indices); its `Episodes` are the input of
every stem (`models/stem.py`).
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metanas.base import philox
from metanas.base.errors import InvalidValue
from metanas.data import duplicates
from metanas.data.adapter import DOMAINS
from metanas.data.augment import USUAL, augment_images, spec_augment
from metanas.data.episode import (
    EVALUATION_SEED,
    Batch,
    Episodes,
    EpisodeShape,
    Ints,
    Modality,
    Split,
    TaskSpec,
    split_named,
)
from metanas.data.roots import DataRoot
from metanas.data.sampler import ClassTable, Indices, alike, class_tables, sample, ways_of
from metanas.data.store import Store, open_store
from metanas.data.suite import DomainOptions
from metanas.data.tasks import TaskDataset
from metanas.data.word_vectors import word_table
from metanas.data.words import FIRST, KEPT, encode_words, vocabulary_of, words_of

# Mean and standard deviation where there are no meta-train classes to measure them on: pixels to [-1, 1], and
# log-mels of speech at a usual level, from silence (log 1e-6, about -14) to loud vowels (about 2); series,
# whose units we do not know, as they are.
FIXED = {"image": (127.5, 127.5), "speech": (-6.0, 4.0), "series": (0.0, 1.0)}


class Domain:
    """A few-shot data set: draws the tasks of a split, with inputs as a stem takes them.

    All but text is normalised by statistics of the meta-train classes alone, or by FIXED ones. The arrays are
    memory maps of the cache's files, shared between processes. InvalidValue for options that the data does
    not allow. tables: one per split that the domain has.
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
        tables = class_tables(store.name, self._labels(), splits, groups)
        self.tables: dict[Split, ClassTable] = {
            split: replace(table, names=tuple(examples.splits[split])) for split, table in tables.items()
        }
        if self.options.group_disjoint:
            self.tables["test"] = replace(self.tables["test"], disjoint=True)
        if self.options.imbalanced:
            self.tables = {split: replace(table, imbalanced=True) for split, table in self.tables.items()}
        if self.options.augment and self.modality not in ("speech", "image"):
            raise InvalidValue(f"{self.name}: augment is of speech and images, and this is {self.modality}")
        if self.options.augment not in (True, False) and self.modality == "speech":
            raise InvalidValue(f"{self.name}: crop, flip, ... are of images; of speech, set augment: true")
        self._x = torch.from_numpy(self._inputs())

    def _labels(self) -> Ints:
        """The label of every example (n,); -1 for those that `distinct` leaves out."""
        labels = np.asarray(self.store.examples.labels)
        if not self.options.distinct:
            return labels
        return np.where(duplicates.distinct(self.name, self.store.examples, self.contents), labels, -1)

    def _inputs(self) -> NDArray[Any]:
        """The array (n, *input_shape) that tasks are drawn from: `x`, or the word tokens."""
        examples, options = self.store.examples, self.options
        if options.tokens == "words" and examples.words is None:
            raise InvalidValue(
                f"{self.name} has no words, which need a text with meta-train classes; use tokens: bytes"
            )
        if options.vectors is not None and options.tokens != "words":
            raise InvalidValue(f"{self.name}: vectors are of words; set tokens: words as well")
        if options.tokens == "bytes" or examples.words is None:
            return examples.x
        if options.vectors is None:
            return examples.words
        return self._words(examples.words.shape[1])

    def _words(self, width: int) -> NDArray[np.int32]:
        """Word tokens (n, width) over all words of the texts. InvalidValue if the store has less of them."""
        texts = self.store.extra.get("text")
        if texts is None:
            raise InvalidValue(f'{self.name} keeps no texts (extra["text"]), and vectors are of their words')
        for text in texts:
            if len(text) >= KEPT and len(words_of(text)) <= width:
                raise InvalidValue(
                    f"{self.name}: vectors are looked up in the first {KEPT:,} characters of a text; one has "
                    f"not all of the {width} words there that are read; read fewer"
                )
        return encode_words(texts, self._vocabulary, width)

    @cached_property
    def _vocabulary(self) -> list[str]:
        """The words behind word tokens: of the meta-train classes, or of all texts if vectors are frozen.

        Vectors that are not trained tell as much of a word that only meta-test texts have (Bao et al., 2020).
        """
        if self.options.vectors is not None:
            return vocabulary_of(self.store.extra["text"])
        known: list[str] = self.store.extra["vocabulary"]
        return known

    @property
    def trains(self) -> bool:
        """Whether it has meta-train classes; a domain without is only evaluated on (transfer)."""
        return "train" in self.tables

    @classmethod
    def open(cls, name: str, root: DataRoot = None, options: DomainOptions | None = None) -> "Domain":
        """Build or open the domain's store. UnknownName for the name, DataError for missing data.

        root: the data folder, None for downloads and pip data.
        """
        return cls(open_store(name, root), options)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the data as methods see it: the store's, with word tokens and vectors if used."""
        if self.options.tokens == "bytes":
            return self.store.fingerprint
        vectors = np.load(self._vectors).tobytes() if self._vectors else b""
        return hashlib.sha256(f"{self.store.fingerprint} words ".encode() + vectors).hexdigest()

    @cached_property
    def _vectors(self) -> str:
        if self.options.vectors is None:
            return ""
        return str(word_table(self.options.vectors, self._vocabulary))

    def spec(self, ways: int) -> TaskSpec:
        """What a network must know of this domain's tasks: input shape, vocabulary, number of classes."""
        shape = tuple(self._x.shape[1:])
        classes = len(self.tables["train"].sizes) if self.trains else 0
        spoken: bool = getattr(DOMAINS[self.name], "spoken", True)
        words = self.store.examples.vocabulary
        spec = TaskSpec(self.name, self.modality, shape, ways, words, classes=classes, spoken=spoken)
        if self.options.tokens == "bytes":
            return spec
        words = self.store.words if self.options.vectors is None else len(self._vocabulary)
        return replace(spec, vocabulary=FIRST + words, lexicon=self.name, vectors=self._vectors)

    def episodes(self, split: Split, shape: EpisodeShape, seed: int, ids: Sequence[int]) -> Episodes:
        """The tasks numbered `ids` of (seed, split), normalised, with augmentation in meta-training if set.

        support x: (T, ways * shots, *input_shape), query x: (T, ways * queries, *input_shape); T = len(ids).
        Where the ways are drawn (`EpisodeShape.fewest_ways`), the tasks must be of equal ones (`alike`).
        InvalidValue if the split is too small for the shape.
        """
        numbers = np.asarray(ids, np.int64)
        drawn = sample(self.tables[split], seed, shape, numbers)
        ways = int(ways_of(self.name, split, seed, shape, numbers[:1])[0]) if len(numbers) else shape.ways
        if self.options.augment and split == "train":
            address = ("augment-v1", self.name, seed, shape)
            support = self._augmented(drawn.support, philox.key(*address, "support"), numbers)
            query = self._augmented(drawn.query, philox.key(*address, "query"), numbers)
        else:
            support, query = self.gather(drawn.support), self.gather(drawn.query)
        return Episodes(
            self.spec(ways),
            Batch(support, torch.from_numpy(drawn.support_y)),
            Batch(query, torch.from_numpy(drawn.query_y)),
            self._classes(drawn, ways) if split == "train" else None,
        )

    def alike(
        self, split: Split, shape: EpisodeShape, seed: int, episodes: int, most: int
    ) -> Iterator[list[int]]:
        """The tasks 0..episodes-1 in groups that can lie side by side: equal ways, at most `most` each."""
        for group in alike(self.name, split, seed, shape, np.arange(episodes)):
            for first in range(0, len(group), most):
                yield group[first : first + most].tolist()

    def tasks(
        self,
        split: str,
        *,
        ways: int = 5,
        shots: int = 1,
        queries: int = 15,
        seed: int = EVALUATION_SEED,
        size: int = 10_000,
    ) -> TaskDataset:
        """Tasks 0..size-1 of (seed, split) as a torch Dataset; split: meta-train, meta-validation, meta-test.

        shots and queries are examples per class. InvalidValue for a split that this domain lacks, or that is
        too small for such tasks.
        """
        short, shape = split_named(split), EpisodeShape(ways, shots, queries)
        if short not in self.tables:
            raise InvalidValue(f"{self.name} has no {split} classes; it has: {', '.join(self.tables)}")
        self.tables[short].check(shape)
        return TaskDataset(partial(self.episodes, short, shape, seed), size)

    def _classes(self, drawn: Indices, ways: int) -> Tensor:
        """The meta-train class, counted from 0, that each label of a task stands for: (T, ways)."""
        first = (drawn.support_y[:, None] == np.arange(ways)[:, None]).argmax(-1)  # (T, ways)
        rows = np.take_along_axis(drawn.support, first, axis=1)
        return torch.from_numpy(self._train_classes[self.store.examples.labels[rows]])

    @cached_property
    def _train_classes(self) -> Ints:
        """The number of each class among the meta-train classes, -1 for the others: (C,)."""
        table, examples = self.tables["train"], self.store.examples
        numbers = np.full(len(examples.classes), -1)
        numbers[examples.labels[table.rows[table.starts[:-1]]]] = np.arange(len(table.sizes))
        return numbers

    @cached_property
    def contents(self) -> Ints:
        """A number for what each example of the store holds (n,), equal for repeated ones."""
        return duplicates.contents(self.store.examples.x)

    def gather(self, rows: Ints) -> Tensor:
        """The examples in these rows of the store, normalised: (*rows.shape, *input_shape)."""
        return self.inputs(self._raw(rows))

    def _raw(self, rows: Ints) -> Tensor:
        """The same before they are normalised."""
        x = self._x.index_select(0, torch.from_numpy(np.ascontiguousarray(rows).ravel()))
        return x.reshape(*rows.shape, *self._x.shape[1:])

    def _augmented(self, rows: Ints, key: int, episodes: Ints) -> Tensor:
        """The same (T, B, *input_shape), each example changed as `options.augment` says, then normalised."""
        if self.modality == "speech":
            return spec_augment(self.gather(rows), key, episodes)
        changes = USUAL if self.options.augment is True else self.options.augment or ()
        return self.inputs(augment_images(self._raw(rows), changes, key, episodes))

    def inputs(self, x: Tensor) -> Tensor:
        """Normalise raw examples (..., *input_shape) as this domain's own; text becomes int64. Same shape."""
        if self.modality == "text":
            return x.long()
        mean, scale = self._normalisation
        return x.float().sub_(mean).mul_(scale)  # in place: new tensors cost ten times as much

    @cached_property
    def _normalisation(self) -> tuple[Tensor, Tensor]:
        """Mean and 1 / standard deviation, to be broadcast over one input."""
        mean, deviation = self.store.scale or tuple([value] for value in FIXED[self.modality])
        shape = (-1, 1, 1) if self.modality == "image" else (-1, 1)
        level, spread = (torch.tensor(values).reshape(shape) for values in (mean, deviation))
        return level, 1 / spread
