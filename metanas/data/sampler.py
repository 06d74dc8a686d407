"""Episode sampling: tasks as lists of example indices, each a pure function of its address.

`sample` draws the indices from a `ClassTable`, one per domain and split; `domain.py` turns them into tensors.
The labels of the query sets come from a random stream of their own that knows neither data nor classes, so
the leaderboard recomputes every score from the predictions alone (`query_labels`). No torch here.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.base import philox
from metanas.base.errors import InvalidValue
from metanas.data.episode import EpisodeShape, Ints, Split

ATTEMPTS = 64  # orders of groups that are tried for one task


class Indices(NamedTuple):
    """The examples of T tasks as rows of the store, and their labels in [0, ways)."""

    support: Ints  # (T, ways * shots), class by class; of equal size unless the table is imbalanced
    support_y: Ints  # (T, ways * shots)
    query: Ints  # (T, ways * queries), shuffled: a place says nothing of the class
    query_y: Ints  # (T, ways * queries)


@dataclass(frozen=True)
class ClassTable:
    """The examples of one split, sorted by class.

    rows: (n,) store rows, class by class. starts: (C + 1,) where each class begins in `rows`.
    groups: (n,) speaker or drawer of each row, None where the domain has none. disjoint: no group has
    examples in both the support and the query set of a task. imbalanced: the classes of a support set differ
    in size (`support_sizes`). names: of the classes, for messages; () where they are not known.
    """

    domain: str
    split: Split
    rows: Ints
    starts: Ints
    groups: Ints | None = None
    disjoint: bool = False
    imbalanced: bool = False
    names: tuple[str, ...] = ()

    @classmethod
    def build(
        cls, domain: str, split: Split, labels: Ints, classes: Ints, groups: Ints | None = None
    ) -> "ClassTable":
        """The rows whose label is in `classes` (C,), sorted by class. InvalidValue for a class without any.

        labels, groups: (n,) of all examples of the domain.
        """
        order = np.argsort(labels, kind="stable")
        at = np.searchsorted(labels[order], classes)
        end = np.searchsorted(labels[order], classes, side="right")
        if (at == end).any():
            raise InvalidValue(f"{domain}: class {int(classes[at == end][0])} of {split} has no examples")
        rows = np.concatenate([order[a:b] for a, b in zip(at, end, strict=True)])
        starts = np.concatenate([[0], np.cumsum(end - at)])
        return cls(domain, split, rows, starts, None if groups is None else groups[rows])

    @property
    def sizes(self) -> Ints:
        """Number of examples of each class (C,)."""
        return np.diff(self.starts)

    def holds(self, shape: EpisodeShape) -> bool:
        """Whether there are enough classes for such a task, and enough examples of each."""
        return shape.ways <= len(self.sizes) and self._needed(shape) <= int(self.sizes.min())

    def drawn(self, shape: EpisodeShape) -> EpisodeShape:
        """The shape with the most shots that a class of such a task can have."""
        return replace(shape, shots=most_shots(shape)) if self.imbalanced else shape

    @property
    def smallest(self) -> tuple[int, str]:
        """How many examples the smallest class has, and its name, "" where it is not known."""
        place = int(self.sizes.argmin())
        return int(self.sizes[place]), self.names[place] if self.names else ""

    def _needed(self, shape: EpisodeShape) -> int:
        """Examples that a class must have: as many as one of any possible number of ways takes."""
        return self.drawn(shape).shots + shape.of_ways(shape.possible_ways[0]).queries

    def check(self, shape: EpisodeShape) -> None:
        """InvalidValue with the numbers if the split is too small for such a task."""
        shots, (smallest, name) = self.drawn(shape).shots, self.smallest
        queries = self._needed(shape) - shots
        if shape.ways > len(self.sizes):
            raise InvalidValue(
                f"{self.domain}/{self.split} has {len(self.sizes)} classes, too few for {shape.ways} ways"
            )
        if shots + queries > smallest:
            raise InvalidValue(
                f"{self.domain}/{self.split} has a class with {smallest} examples{name and f' ({name!r})'}, "
                f"too few for {'up to ' if self.imbalanced else ''}{shots} shots + {queries} queries"
            )


def ways_of(domain: str, split: Split, seed: int, shape: EpisodeShape, episodes: Ints) -> Ints:
    """The ways of these tasks (T,): uniform in `shape.possible_ways`, from a stream of their own."""
    if not shape.fewest_ways:
        return np.full(len(episodes), shape.ways)
    bits = philox.words(_key("ways", domain, split, seed, shape), episodes, 1)[:, 0]
    return shape.fewest_ways + philox.below(len(shape.possible_ways), bits)


def alike(domain: str, split: Split, seed: int, shape: EpisodeShape, episodes: Ints) -> list[Ints]:
    """The tasks in groups of equal ways, which can be drawn and adapted side by side; each in order."""
    ways = ways_of(domain, split, seed, shape, episodes)
    return [episodes[ways == each] for each in np.unique(ways)]


def query_labels(domain: str, split: Split, seed: int, shape: EpisodeShape, episodes: Ints) -> Ints:
    """True labels of the query sets (T, ways * queries): a shuffle of equal counts, from its own stream.

    episodes: (T,) the numbers of the tasks. Where ways are drawn, counts differ by one at most.
    """
    ways = ways_of(domain, split, seed, shape, episodes)
    return _shuffled(philox.words(*_order(domain, split, seed, shape, episodes)), ways)


def _order(
    domain: str, split: Split, seed: int, shape: EpisodeShape, episodes: Ints
) -> tuple[int, Ints, int]:
    """(key, rows, count) of the stream by which query sets are shuffled, for `philox.words_of`."""
    return _key("order", domain, split, seed, shape), episodes, shape.all_queries


def _shuffled(bits: NDArray[np.uint32], ways: Ints) -> Ints:
    """bits (T, Q) and ways (T,) to labels (T, Q)."""
    return np.argsort(bits, axis=1, kind="stable") % ways[:, None]


def sample(table: ClassTable, seed: int, shape: EpisodeShape, episodes: Ints) -> Indices:
    """The tasks numbered `episodes` (T,). No example stands in a task twice, so the two sets are disjoint.

    InvalidValue if the split is too small, its groups cannot be kept apart (`ClassTable.disjoint`), or the
    tasks are of several ways (`alike` gives groups of equal ones).
    """
    table.check(shape)
    address = (table.domain, table.split, seed, shape)
    each = ways_of(*address, episodes)
    if (each != each[:1]).any():
        raise InvalidValue(
            f"{table.domain}: tasks of {min(each)} and {max(each)} ways cannot lie side by side"
        )
    ways = int(each[0]) if len(each) else shape.ways
    drawn = table.drawn(shape.of_ways(ways))
    count, per_class = len(episodes), drawn.shots + drawn.queries
    streams = (episodes[:, None] * shape.ways + np.arange(ways)).ravel()  # one per class of a task
    bits, inside, order = philox.words_of(
        (_key("classes", *address), episodes, 2 * ways),
        (_key("examples", *address), streams, 2 * per_class),
        _order(*address, episodes),
    )
    classes = _subset(np.full(count, len(table.sizes)), bits[:, :ways], bits[:, ways:])  # (T, ways)
    if table.disjoint:
        places = _groups_apart(table, seed, drawn, episodes, classes)
    else:
        chosen = _subset(table.sizes[classes].ravel(), inside[:, :per_class], inside[:, per_class:])
        places = table.starts[classes].ravel()[:, None] + chosen
    rows = table.rows[places].reshape(count, ways, per_class)
    query_y = _shuffled(order, each)
    turn = _occurrence(query_y, ways)
    sizes = np.full((count, ways), shape.shots)
    if table.imbalanced:
        sizes = support_sizes(shape.of_ways(ways), philox.words(_key("sizes", *address), episodes, ways))
    taken = np.arange(drawn.shots) < sizes[:, :, None]  # (T, ways, shots)
    labels = np.broadcast_to(np.arange(ways)[None, :, None], taken.shape)
    return Indices(
        support=rows[:, :, : drawn.shots][taken].reshape(count, -1),
        support_y=labels[taken].reshape(count, -1),
        query=rows[np.arange(count)[:, None], query_y, drawn.shots + turn],
        query_y=query_y,
    )


SPREAD = 4  # how much larger a class of an imbalanced support set is than another, at most (about)


def support_sizes(shape: EpisodeShape, bits: NDArray[np.uint32]) -> Ints:
    """Support examples of each class of T imbalanced tasks (T, ways): ways * shots in all. bits: (T, ways).

    After Meta-Dataset (Triantafillou et al., 2020, sec. 3.2): a class has a weight in [1, SPREAD), drawn
    uniformly, and its share of the examples follows it. Unlike there the set's size is fixed, class sizes in
    the data do not count, and every class has two examples (one at one shot): leave-one-out needs them. In
    integers, so that every machine draws the same.
    """
    weights = 2**16 + philox.below((SPREAD - 1) * 2**16, bits)
    least = min(2, shape.shots)
    extra, total = shape.ways * (shape.shots - least), weights.sum(1, keepdims=True)
    shares, rests = np.divmod(extra * weights, total)
    left = extra - shares.sum(1, keepdims=True)  # to the classes with the largest remainders
    rank = np.argsort(np.argsort(-rests, axis=1, kind="stable"), axis=1, kind="stable")
    sizes: Ints = least + shares + (rank < left)
    return sizes


def most_shots(shape: EpisodeShape) -> int:
    """The most support examples that `support_sizes` gives a class."""
    least = min(2, shape.shots)
    return least + -(-shape.ways * (shape.shots - least) * SPREAD // (SPREAD + shape.ways - 1))


def digest(indices: Indices) -> str:
    """SHA-256 of the index lists and labels, as little-endian int64 with their shapes."""
    sha = hashlib.sha256()
    for name, array in zip(indices._fields, indices, strict=True):
        sha.update(f"{name}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
    return sha.hexdigest()


def digest_of(table: ClassTable, seed: int, shape: EpisodeShape, episodes: Ints) -> str:
    """SHA-256 of the index lists of these tasks; where ways are drawn, of those of each number of ways."""
    if not shape.fewest_ways:
        return digest(sample(table, seed, shape, episodes))
    groups = alike(table.domain, table.split, seed, shape, episodes)
    parts = [digest(sample(table, seed, shape, group)) for group in groups]
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def _groups_apart(table: ClassTable, seed: int, shape: EpisodeShape, episodes: Ints, classes: Ints) -> Ints:
    """Places in `table.rows` (T * ways, shots + queries): groups of shots and of queries are disjoint.

    The groups are put in a random order; as many of the first as give every class (T, ways) its shots go to
    the support set, the others to the query set. An order that leaves too few queries is drawn anew.
    InvalidValue if ATTEMPTS orders did.
    """
    if table.groups is None:
        raise InvalidValue(f"{table.domain} has no speakers or drawers to keep apart (group_disjoint)")
    members, group = np.unique(table.groups, return_inverse=True)
    key = _key("groups", table.domain, table.split, seed, shape)
    places_by_class = []
    for episode, chosen in zip(episodes.tolist(), classes.tolist(), strict=True):
        places = [np.arange(table.starts[c], table.starts[c + 1]) for c in chosen]
        size = max(map(len, places))
        for attempt in range(ATTEMPTS):
            address = np.array([episode * ATTEMPTS + attempt], np.int64)
            bits = philox.words(key, address, len(members) + shape.ways * size)[0]
            rank = np.argsort(np.argsort(bits[: len(members)], kind="stable"), kind="stable")
            ranks = [rank[group[place]] for place in places]
            last = max(
                int(np.sort(r)[shape.shots - 1]) for r in ranks
            )  # rank of the support set's last group
            if all(int((r > last).sum()) >= shape.queries for r in ranks):
                order = bits[len(members) :].reshape(shape.ways, size)
                places_by_class += [
                    _shots_and_queries(p, r <= last, o, shape)
                    for p, r, o in zip(places, ranks, order, strict=True)
                ]
                break
        else:
            raise InvalidValue(
                f"{table.domain}/{table.split}: episode {episode}: no order of {len(members)} speakers or "
                f"drawers leaves {shape.shots} shots and {shape.queries} queries a class without one in both"
            )
    return np.stack(places_by_class)


def _shots_and_queries(
    places: Ints, support: NDArray[np.bool_], order: NDArray[np.uint32], shape: EpisodeShape
) -> Ints:
    """Of one class: shots from where `support` is true, then queries from the rest, each in random order."""
    shuffled = np.argsort(order[: len(places)], kind="stable")
    in_support = support[shuffled]
    shots, queries = shuffled[in_support][: shape.shots], shuffled[~in_support][: shape.queries]
    return places[np.concatenate([shots, queries])]


def _key(stream: str, domain: str, split: Split, seed: int, shape: EpisodeShape) -> int:
    return philox.key("episode-v1", stream, domain, split, seed, shape)


def _subset(sizes: Ints, bits: NDArray[np.uint32], order: NDArray[np.uint32]) -> Ints:
    """k different numbers of range(size) in random order, one row per size: (R, k).

    Floyd's algorithm (Bentley and Floyd, 1987) for the set, then a shuffle. sizes: (R,). bits, order: (R, k).
    """
    count = bits.shape[1]
    top = sizes - count + np.arange(count)[:, None]  # (k, R), the largest value allowed at each step
    chosen = philox.below(top + 1, bits.T)
    for j in range(1, count):
        taken = (chosen[:j] == chosen[j]).any(axis=0)
        np.copyto(chosen[j], top[j], where=taken)
    return np.take_along_axis(chosen.T, np.argsort(order, axis=1, kind="stable"), axis=1)


def _occurrence(labels: Ints, ways: int) -> Ints:
    """For each entry of a row, how often its value occurred earlier in the row: (T, Q) -> (T, Q).

    Every value must occur equally often in a row, or once more if it is below Q modulo ways.
    """
    turn, (queries, more) = np.empty_like(labels), divmod(labels.shape[1], ways)
    places = np.argsort(labels.astype(np.int16), axis=1, kind="stable")  # by value, then by place
    turns = np.concatenate([np.arange(queries + (value < more)) for value in range(ways)])
    np.put_along_axis(turn, places, turns[None], axis=1)
    return turn


def class_tables(
    domain: str, labels: Ints, splits: Mapping[Split, Ints], groups: Ints | None
) -> dict[Split, ClassTable]:
    """One table per split. labels, groups: (n,); splits: class numbers. InvalidValue for a shared class."""
    split_of: dict[int, Split] = {}
    for split, classes in splits.items():
        for label in classes.tolist():
            if label in split_of:
                raise InvalidValue(f"{domain}: class {label} is in both {split_of[label]} and {split}")
            split_of[label] = split
    return {s: ClassTable.build(domain, s, labels, c, groups) for s, c in splits.items()}
