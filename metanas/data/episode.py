"""Few-shot tasks as values: `Episodes` with support and query sets, `EpisodeShape`, `TaskSpec`, splits.

A task is drawn by `sampler.py` as example indices and by `domain.py` as tensors. Task `i` of (seed, split)
is a pure function of its address: any worker may draw any task, a resumed run sees the same ones, and the
meta-test tasks are pinned by the SHA-256 of their index lists (`manifest.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from metanas.base.errors import InvalidValue

if TYPE_CHECKING:  # indices and labels are numpy: scoring a submission never imports torch
    import torch
    from torch import Tensor

Modality = Literal["image", "text", "speech", "series"]
Split = Literal["train", "val", "test"]  # meta-train, meta-validation, meta-test: disjoint classes
SPLITS: tuple[Split, ...] = get_args(Split)
Ints = NDArray[np.int64]
META_SPLITS: Mapping[str, Split] = {"meta-train": "train", "meta-validation": "val", "meta-test": "test"}
EVALUATION_SEED = 0  # of the pinned meta-test tasks: the same for every method and every seed run
SELECTION_SEED = 2  # of the meta-validation tasks that `Method.select` gets
VALIDATION_SEED = 1  # of the meta-validation tasks: the same for every trial and every check


@dataclass(frozen=True)
class TaskSpec:
    """What a network must know of a domain's tasks before it sees data.

    name: the domain. ways: classes per task.
    input_shape: (1 or 3, H, W) for images, (W,) token ids for text, (bands, frames) for speech, (channels,
    steps) for series.
    vocabulary: number of token ids, 0 where there are none; id 0 is padding.
    lexicon: the domain whose word tokens these are; empty for bytes, which all domains share.
    vectors: path of a .npy of frozen word vectors (vocabulary, dimensions); empty where there are none.
    classes: number of meta-train classes, for methods that pretrain on all of them.
    spoken: of speech, whether a clip keeps its class in another voice and tempo (`adapter.Adapter`).
    """

    name: str
    modality: Modality
    input_shape: tuple[int, ...]
    ways: int
    vocabulary: int = 0
    lexicon: str = ""
    vectors: str = ""
    classes: int = 0
    spoken: bool = True


@dataclass(frozen=True)
class Batch:
    """Examples of T tasks side by side: x (T, B, *input_shape), y (T, B) int64 in [0, ways)."""

    x: "Tensor"
    y: "Tensor"

    def tasks(self, which: slice | list[int]) -> "Batch":
        """The examples of some of the tasks."""
        return Batch(self.x[which], self.y[which])

    def to(self, device: "torch.device") -> "Batch":
        """The same examples on a device."""
        return Batch(moved(self.x, device), moved(self.y, device))


@dataclass(frozen=True)
class Episodes:
    """T few-shot tasks of one spec: a learner adapts on the support sets and is scored on the query sets.

    classes: the meta-train class that each label stands for (T, ways); None in other splits.
    """

    spec: TaskSpec
    support: Batch  # B = ways * shots
    query: Batch  # B = ways * queries
    classes: "Tensor | None" = None

    def tasks(self, which: slice | list[int]) -> "Episodes":
        """Some of the tasks."""
        classes = None if self.classes is None else self.classes[which]
        return Episodes(self.spec, self.support.tasks(which), self.query.tasks(which), classes)

    def to(self, device: "torch.device") -> "Episodes":
        """The same tasks on a device."""
        classes = None if self.classes is None else moved(self.classes, device)
        return Episodes(self.spec, self.support.to(device), self.query.to(device), classes)


@dataclass(frozen=True)
class EpisodeShape:
    """N-way K-shot tasks with `queries` query examples per class. InvalidValue unless all are positive.

    fewest_ways: if it is not 0, the ways of each task are drawn from fewest_ways..ways (`sampler.ways_of`).
    All tasks then have ways * queries query examples, spread over their classes as evenly as can be.
    """

    ways: int
    shots: int
    queries: int
    fewest_ways: int = 0

    def __post_init__(self) -> None:
        for name, least in (("ways", 2), ("shots", 1), ("queries", 1)):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or isinstance(value, bool):
                raise InvalidValue(f"{name} must be a whole number, got {value!r:.60}")
            if value < least:
                bound = "positive" if least == 1 else f"at least {least}"
                raise InvalidValue(f"{name} must be {bound}, got {value}")

        if self.fewest_ways and not 2 <= self.fewest_ways < self.ways:
            raise InvalidValue(
                f"fewest_ways must be from 2 to ways - 1, got {self.fewest_ways} of {self.ways}"
            )

    def __str__(self) -> str:
        return f"{self.name}{self.queries}q"

    @property
    def name(self) -> str:
        """Ways and shots as in the name of a task: 5w1s, or 5-20w1s where the ways are drawn."""
        return f"{f'{self.fewest_ways}-' if self.fewest_ways else ''}{self.ways}w{self.shots}s"

    @property
    def all_queries(self) -> int:
        """Query examples of a task."""
        return self.ways * self.queries

    @property
    def possible_ways(self) -> range:
        """The ways that a task may have, ascending."""
        return range(self.fewest_ways or self.ways, self.ways + 1)

    def of_ways(self, ways: int) -> "EpisodeShape":
        """The shape of the tasks that have these ways, with as many queries a class as the largest has."""
        if not self.fewest_ways:
            return self
        return EpisodeShape(ways, self.shots, -(-self.all_queries // ways))


def one_of_each(specs: Sequence[TaskSpec]) -> tuple[TaskSpec, ...]:
    """The spec of most ways of each domain: methods get one for each number of ways that its tasks have."""
    found: dict[str, TaskSpec] = {}
    for spec in specs:
        if spec.name not in found or spec.ways > found[spec.name].ways:
            found[spec.name] = spec
    return tuple(found.values())


def moved(x: "Tensor", device: "torch.device") -> "Tensor":
    """x on a device; to a CUDA device through pinned memory, so that nobody waits for the copy.

    RuntimeError while a CUDA graph is recorded, whose replays would read what then lies in that memory.
    """
    if x.device.type != "cpu" or device.type in ("cpu", "mps"):
        return x.to(device)
    if device.type == "cuda":
        import torch

        if torch.cuda.is_current_stream_capturing():
            raise RuntimeError("a tensor of the CPU cannot be part of a CUDA graph")
        x = x.pin_memory()
    return x.to(device, non_blocking=True)


def split_named(name: str) -> Split:
    """The split named meta-train, meta-validation or meta-test, in short train, val or test. InvalidValue."""
    for long, short in META_SPLITS.items():
        if name in (long, short):
            return short
    raise InvalidValue(f"no split named {name!r}; there are: {', '.join(META_SPLITS)}")
