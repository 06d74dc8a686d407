"""Episodes: few-shot problems as lists of example indices, each a pure function of its address.

Comes after the store (`store.py`, where the examples of a domain lie) and before everything that learns.
Episode `i` of (seed, split) depends on nothing but its arguments: any worker may draw any episode, a
resumed run sees the same ones, and the test episodes are pinned by the SHA-256 of their index lists.

The labels of the queries come from a stream of their own that knows neither data nor classes, so the
leaderboard can recompute every score from the predictions alone (`query_labels`).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from metanas import counter

if TYPE_CHECKING:  # indices and labels are numpy: scoring a submission never imports torch
    from torch import Tensor

Modality = Literal["image", "text", "speech"]
Split = Literal["train", "val", "test"]  # meta-train, meta-val, meta-test: disjoint classes
SPLITS: tuple[Split, ...] = get_args(Split)
ATTEMPTS = 64  # orders of groups to be tried for one episode
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class TaskSpec:
    """What a stem and a head must know before they see data.

    input_shape: (1 or 3, H, W) for images, (W,) token ids for text, (bands, frames) for speech.
    vocabulary: number of token ids, 0 where there are none; id 0 is padding.
    lexicon: whose word tokens they are; empty for bytes, which all domains share.
    vectors: a .npy of frozen word vectors (vocabulary, dimensions) for these tokens; empty where none.
    classes: how many meta-train classes there are, for methods that pretrain on all of them.
    """

    name: str
    modality: Modality
    input_shape: tuple[int, ...]
    ways: int
    vocabulary: int = 0
    lexicon: str = ""
    vectors: str = ""
    classes: int = 0


@dataclass(frozen=True)
class Batch:
    """Examples of T tasks side by side: x (T, B, *input_shape), y (T, B) int64 in [0, ways)."""

    x: "Tensor"
    y: "Tensor"

    def tasks(self, which: slice) -> "Batch":
        """Those tasks' examples."""
        return Batch(self.x[which], self.y[which])


@dataclass(frozen=True)
class Episodes:
    """T few-shot problems of one spec: adapt on `support`, be judged on `query`.

    classes: which of the domain's meta-train classes each label stands for (T, ways); None in other splits.
    """

    spec: TaskSpec
    support: Batch  # B = ways * shots
    query: Batch  # B = ways * queries
    classes: "Tensor | None" = None

    def tasks(self, which: slice) -> "Episodes":
        """Those tasks."""
        classes = None if self.classes is None else self.classes[which]
        return Episodes(self.spec, self.support.tasks(which), self.query.tasks(which), classes)


@dataclass(frozen=True)
class EpisodeShape:
    """N-way K-shot with `queries` query examples per class. ValueError unless all are positive."""

    ways: int
    shots: int
    queries: int

    def __post_init__(self) -> None:
        for name, least in (("ways", 2), ("shots", 1), ("queries", 1)):
            value = getattr(self, name)
            if value < least:
                what = "positive" if least == 1 else f"at least {least}"
                raise ValueError(f"{name} must be {what}, got {value}")

    def __str__(self) -> str:
        return f"{self.ways}w{self.shots}s{self.queries}q"


class Indices(NamedTuple):
    """Which examples T episodes consist of; rows of the store, never a copy of data."""

    support: Ints  # (T, ways * shots), class by class
    support_y: Ints  # (T, ways * shots)
    query: Ints  # (T, ways * queries), shuffled: an example's place says nothing of its class
    query_y: Ints  # (T, ways * queries)


@dataclass(frozen=True)
class ClassTable:
    """The examples of one split, sorted by class.

    rows: (n,) store rows, class by class; starts: (C + 1,) where each class begins in `rows`;
    groups: (n,) speaker or drawer of each row, or None where the domain has none;
    disjoint: nobody has examples in both the support and the query set of an episode.
    """

    domain: str
    split: Split
    rows: Ints
    starts: Ints
    groups: Ints | None = None
    disjoint: bool = False

    @classmethod
    def build(
        cls, domain: str, split: Split, labels: Ints, classes: Ints, groups: Ints | None = None
    ) -> "ClassTable":
        """Sort the rows whose label is in `classes` by class. ValueError for a class with no example."""
        order = np.argsort(labels, kind="stable")
        at = np.searchsorted(labels[order], classes)
        end = np.searchsorted(labels[order], classes, side="right")
        if (at == end).any():
            raise ValueError(f"{domain}: class {int(classes[at == end][0])} of {split} has no examples")
        rows = np.concatenate([order[a:b] for a, b in zip(at, end, strict=True)])
        starts = np.concatenate([[0], np.cumsum(end - at)])
        return cls(domain, split, rows, starts, None if groups is None else groups[rows])

    @property
    def sizes(self) -> Ints:
        """Examples per class (C,)."""
        return np.diff(self.starts)

    def holds(self, shape: EpisodeShape) -> bool:
        """Whether every class has enough examples for such an episode, and there are enough classes."""
        return shape.ways <= len(self.sizes) and shape.shots + shape.queries <= int(self.sizes.min())

    def check(self, shape: EpisodeShape) -> None:
        """ValueError with the numbers if this split cannot hold such an episode."""
        need, least = shape.shots + shape.queries, int(self.sizes.min())
        if shape.ways > len(self.sizes):
            raise ValueError(
                f"{self.domain}/{self.split} has {len(self.sizes)} classes, too few for {shape.ways} ways"
            )
        if need > least:
            raise ValueError(
                f"{self.domain}/{self.split} has a class with {least} examples, "
                f"too few for {shape.shots} shots + {shape.queries} queries"
            )


def query_labels(domain: str, split: Split, seed: int, shape: EpisodeShape, episodes: Ints) -> Ints:
    """True labels (T, ways * queries) of the queries: a shuffle of equal counts, from its own stream."""
    return _shuffled(counter.words(*_order(domain, split, seed, shape, episodes)), shape)


def _order(
    domain: str, split: Split, seed: int, shape: EpisodeShape, episodes: Ints
) -> tuple[int, Ints, int]:
    """The stream from which queries are shuffled."""
    return _key("order", domain, split, seed, shape), episodes, shape.ways * shape.queries


def _shuffled(bits: NDArray[np.uint32], shape: EpisodeShape) -> Ints:
    return np.argsort(bits, axis=1, kind="stable") % shape.ways


def sample(table: ClassTable, seed: int, shape: EpisodeShape, episodes: Ints) -> Indices:
    """The episodes numbered `episodes` (T,). Without replacement; support and query are disjoint."""
    table.check(shape)
    count, ways, each = len(episodes), shape.ways, shape.shots + shape.queries
    address = (table.domain, table.split, seed, shape)
    cells = (episodes[:, None] * ways + np.arange(ways)).ravel()
    bits, inside, order = counter.several(
        (_key("classes", *address), episodes, 2 * ways),
        (_key("examples", *address), cells, 2 * each),
        _order(*address, episodes),
    )
    classes = _subset(np.full(count, len(table.sizes)), bits[:, :ways], bits[:, ways:])  # (T, ways)
    if table.disjoint:
        places = groups_apart(table, seed, shape, episodes, classes)
    else:
        chosen = _subset(table.sizes[classes].ravel(), inside[:, :each], inside[:, each:])
        places = table.starts[classes].ravel()[:, None] + chosen
    rows = table.rows[places].reshape(count, ways, each)
    query_y = _shuffled(order, shape)
    turn = _occurrence(query_y, ways)
    return Indices(
        support=rows[:, :, : shape.shots].reshape(count, -1),
        support_y=np.tile(np.repeat(np.arange(ways), shape.shots), (count, 1)),
        query=rows[np.arange(count)[:, None], query_y, shape.shots + turn],
        query_y=query_y,
    )


def digest(indices: Indices) -> str:
    """SHA-256 of the index lists and labels, as little-endian int64 with their shapes."""
    sha = hashlib.sha256()
    for name, array in zip(indices._fields, indices, strict=True):
        sha.update(f"{name}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
    return sha.hexdigest()


def groups_apart(table: ClassTable, seed: int, shape: EpisodeShape, episodes: Ints, classes: Ints) -> Ints:
    """Places in `table.rows` (T * ways, shots + queries): the shots' groups and the queries' are disjoint.

    The groups stand in a random order; as many of the first as give every class (T, ways) its shots are
    the support's, the others the queries'. An order that leaves too few for the queries is drawn anew.
    ValueError if ATTEMPTS orders did.
    """
    if table.groups is None:
        raise ValueError(f"{table.domain} has no speakers or drawers to keep apart (group_disjoint)")
    members, group = np.unique(table.groups, return_inverse=True)
    key = _key("groups", table.domain, table.split, seed, shape)
    found = []
    for episode, chosen in zip(episodes.tolist(), classes.tolist(), strict=True):
        places = [np.arange(table.starts[c], table.starts[c + 1]) for c in chosen]
        size = max(map(len, places))
        for attempt in range(ATTEMPTS):
            address = np.array([episode * ATTEMPTS + attempt], np.int64)
            bits = counter.words(key, address, len(members) + shape.ways * size)[0]
            rank = np.argsort(np.argsort(bits[: len(members)], kind="stable"), kind="stable")
            ranks = [rank[group[place]] for place in places]
            last = max(int(np.sort(r)[shape.shots - 1]) for r in ranks)  # the support's last group
            if all(int((r > last).sum()) >= shape.queries for r in ranks):
                order = bits[len(members) :].reshape(shape.ways, size)
                found += [_both(p, r <= last, o, shape) for p, r, o in zip(places, ranks, order, strict=True)]
                break
        else:
            raise ValueError(
                f"{table.domain}/{table.split}: episode {episode}: no order of {len(members)} speakers or "
                f"drawers leaves {shape.shots} shots and {shape.queries} queries a class without one in both"
            )
    return np.stack(found)


def _both(places: Ints, support: NDArray[np.bool_], order: NDArray[np.uint32], shape: EpisodeShape) -> Ints:
    """Shots from where `support` is true, queries from the rest, each by random order."""
    shuffled = np.argsort(order[: len(places)], kind="stable")
    mine = support[shuffled]
    return places[np.concatenate([shuffled[mine][: shape.shots], shuffled[~mine][: shape.queries]])]


def _key(stream: str, domain: str, split: Split, seed: int, shape: EpisodeShape) -> int:
    return counter.key("episode-v1", stream, domain, split, seed, shape)


def _subset(sizes: Ints, bits: NDArray[np.uint32], order: NDArray[np.uint32]) -> Ints:
    """A random ordered choice without replacement from range(size), one row per size.

    Floyd's algorithm (Bentley and Floyd, 1987) for the set, then a shuffle by `order`. bits: (R, k).
    """
    count = bits.shape[1]
    top = sizes - count + np.arange(count)[:, None]  # (k, R), the largest value allowed at each step
    chosen = counter.below(top + 1, bits.T)
    for j in range(1, count):
        taken = (chosen[:j] == chosen[j]).any(axis=0)
        np.copyto(chosen[j], top[j], where=taken)
    return np.take_along_axis(chosen.T, np.argsort(order, axis=1, kind="stable"), axis=1)


def _occurrence(labels: Ints, ways: int) -> Ints:
    """For each entry of a row, how often its value stood in that row before. (T, Q) -> (T, Q).

    Every value stands equally often in a row.
    """
    turn, each = np.empty_like(labels), labels.shape[1] // ways
    places = np.argsort(labels.astype(np.int16), axis=1, kind="stable")  # by value, then by place
    np.put_along_axis(turn, places, np.tile(np.arange(each), ways)[None], axis=1)
    return turn


def class_tables(
    domain: str, labels: Ints, splits: Mapping[Split, Ints], groups: Ints | None
) -> dict[Split, ClassTable]:
    """One table per split. ValueError if two splits share a class."""
    seen: dict[int, Split] = {}
    for split, classes in splits.items():
        for label in classes.tolist():
            if label in seen:
                raise ValueError(f"{domain}: class {label} is in both {seen[label]} and {split}")
            seen[label] = split
    return {s: ClassTable.build(domain, s, labels, c, groups) for s, c in splits.items()}
