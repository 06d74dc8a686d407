"""A domain: a store and its class splits, from which episodes are drawn as tensors.

Comes after `store.py` (arrays) and `episode.py` (indices); what it returns feeds the stems.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

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

# Mean and deviation where no meta-train classes are to be measured: pixels to [-1, 1]; and log-mels of
# speech at a usual level, from silence (log 1e-6, about -14) to loud vowels (about 2).
FIXED = {"image": (127.5, 127.5), "speech": (-6.0, 4.0)}


class Domain:
    """A data set made few-shot.

    Inputs leave here normalised by statistics of the meta-train classes alone, or by FIXED ones.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
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
        self._x = torch.from_numpy(np.array(examples.x))  # in memory: random rows of a map are slow

    @property
    def trains(self) -> bool:
        """Whether it has meta-train classes; if not, it is only evaluated on (transfer)."""
        return "train" in self.tables

    @classmethod
    def open(cls, name: str, root: Path | None = None) -> "Domain":
        """Build or open the domain's store. KeyError for an unknown name, DataError for missing data."""
        return cls(open_store(name, root))

    def spec(self, ways: int) -> TaskSpec:
        """The task specification at that many ways."""
        shape = tuple(self._x.shape[1:])
        classes = len(self.tables["train"].sizes) if self.trains else 0
        return TaskSpec(self.name, self.modality, shape, ways, self.store.examples.vocabulary, classes)

    def episodes(self, split: Split, shape: EpisodeShape, seed: int, ids: Sequence[int]) -> Episodes:
        """Episodes `ids` of (seed, split); support x (T, ways * shots, ...), query likewise."""
        table = self.tables[split]
        drawn = sample(table, seed, shape, np.asarray(ids, np.int64))
        return Episodes(
            self.spec(shape.ways),
            Batch(self.gather(drawn.support), torch.from_numpy(drawn.support_y)),
            Batch(self.gather(drawn.query), torch.from_numpy(drawn.query_y)),
            self._classes(drawn.support, shape) if split == "train" else None,
        )

    def _classes(self, support: Ints, shape: EpisodeShape) -> Tensor:
        """Which meta-train class, from 0, each label of an episode is: (T, ways)."""
        labels = np.asarray(self.store.examples.labels)
        firsts = self.tables["train"].rows[self.tables["train"].starts[:-1]]
        known = np.argsort(labels[firsts])
        of_way = labels[support.reshape(len(support), shape.ways, shape.shots)[:, :, 0]]
        return torch.from_numpy(known[np.searchsorted(labels[firsts][known], of_way)])

    def gather(self, rows: Ints) -> Tensor:
        """Examples by store row, as a stem takes them: (*rows.shape, *input_shape)."""
        x = self._x.index_select(0, torch.from_numpy(np.ascontiguousarray(rows).ravel()))
        x = x.reshape(*rows.shape, *self._x.shape[1:])
        if self.modality == "text":
            return x.long()
        mean, scale = self._normalisation
        return torch.mul(x.to(mean.dtype) - mean, scale)

    @cached_property
    def _normalisation(self) -> tuple[Tensor, Tensor]:
        """Mean and 1 / standard deviation per image channel or mel band, over meta-train examples."""
        if not self.trains:
            level, spread = FIXED[self.modality]
            return torch.tensor(level), torch.tensor(1 / spread)
        rows = torch.from_numpy(self.tables["train"].rows)
        x = self._x[rows].float()  # (n, C, H, W) or (n, bands, frames)
        over = (0, 2, 3) if self.modality == "image" else (0, 2)
        mean = x.nanmean(over, keepdim=True)  # NaN marks padded speech frames
        deviation = (x - mean).square().nanmean(over, keepdim=True).sqrt()
        return mean[0], 1 / deviation[0].clamp_min(1e-3)
