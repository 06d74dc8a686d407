"""Repeated examples of a data set: the same text, image or clip twice, byte for byte after preprocessing.

A query that also stands in its support set is answered by memory, and one that stands in the meta-train split
was trained on. `manifest.py` counts such queries of the pinned episodes, `store.py` the examples; the option
`distinct` of a domain leaves them out (`suite.DomainOptions`). No torch here.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from metanas.base.errors import InvalidValue
from metanas.data.adapter import Examples
from metanas.data.episode import Ints, Split
from metanas.data.sampler import Indices


class Repeats(TypedDict):
    """Meta-test tasks of one shape whose queries are repeated."""

    episodes: int  # tasks with a query that also stands in their support set
    queries: int  # such queries
    train: int  # queries that also stand in the meta-train split


class RepeatedExamples(TypedDict):
    """Meta-test examples of a data set that are repeated."""

    examples: int  # of the meta-test split
    twice: int  # equal to an earlier one of them
    train: int  # equal to one of the meta-train split


def contents(x: NDArray[Any]) -> Ints:
    """A number for what each example holds, equal where all bytes are: (n, ...) -> (n,)."""
    numbers: dict[bytes, int] = {}
    hashes = (hashlib.blake2b(np.ascontiguousarray(row).tobytes(), digest_size=16).digest() for row in x)
    return np.fromiter((numbers.setdefault(h, len(numbers)) for h in hashes), np.int64, len(x))


def count(drawn: Indices, content: Ints, train: Ints) -> Repeats:
    """How many queries of these tasks are repeated. content: (n,) of the store; train: rows, may be empty."""
    support, query = content[drawn.support], content[drawn.query]  # (T, ways * shots), (T, ways * queries)
    found = np.zeros(query.shape, bool)
    for column in support.T:
        found |= query == column[:, None]
    return Repeats(
        episodes=int(found.any(1).sum()),
        queries=int(found.sum()),
        train=int(np.isin(query, content[train]).sum()),
    )


def total(parts: Iterable[Repeats]) -> Repeats:
    """The repeats of several groups of tasks together."""
    both = list(parts)
    return Repeats(
        episodes=sum(part["episodes"] for part in both),
        queries=sum(part["queries"] for part in both),
        train=sum(part["train"] for part in both),
    )


def of_examples(examples: Examples, content: Ints) -> RepeatedExamples:
    """The repeated meta-test examples of a data set. content: (n,) as `contents` numbers it."""
    rows = _rows(examples)
    test, train = (content[rows[split]] if split in rows else content[:0] for split in ("test", "train"))
    return RepeatedExamples(
        examples=len(test), twice=len(test) - len(np.unique(test)), train=int(np.isin(test, train).sum())
    )


def distinct(name: str, examples: Examples, content: Ints) -> NDArray[np.bool_]:
    """Which examples stay (n,): the first of each content in its split, none that is in meta-train as well.

    InvalidValue if a class has none left.
    """
    rows = _rows(examples)
    keep = np.zeros(len(content), bool)
    for split, mine in rows.items():
        _, first = np.unique(content[mine], return_index=True)
        keep[mine[first]] = True
        if split != "train" and "train" in rows:
            keep[mine] &= ~np.isin(content[mine], content[rows["train"]])
    left = np.bincount(np.asarray(examples.labels)[keep], minlength=len(examples.classes))
    for split, classes in examples.splits.items():
        if gone := [c for c in classes if not left[examples.classes.index(c)]]:
            raise InvalidValue(
                f"{name}: distinct leaves no example of class {gone[0]!r} of {split}: all repeat others"
            )
    return keep


def shown(repeats: Repeats, *, episodes: int, queries: int) -> str:
    """In words; queries: of all episodes. Empty if nothing is repeated."""
    parts = []
    if repeats["queries"]:
        share = 100 * repeats["queries"] / queries
        parts.append(f"{repeats['episodes']:,} of {episodes:,} episodes ({share:.2g} % of queries)")
    if repeats["train"]:
        parts.append(f"{repeats['train']:,} of {queries:,} queries in meta-train")
    return ", ".join(parts)


def examples_shown(repeats: RepeatedExamples) -> str:
    """In words; empty if nothing is repeated."""
    of = f"of {repeats['examples']:,} test examples"
    parts = [(repeats["twice"], "twice"), (repeats["train"], "in meta-train")]
    return ", ".join(f"{number:,} {of} {where}" for number, where in parts if number)


def _rows(examples: Examples) -> Mapping[Split, Ints]:
    """The rows of each split, in the store's order."""
    labels, number = np.asarray(examples.labels), {c: i for i, c in enumerate(examples.classes)}
    return {
        split: np.flatnonzero(np.isin(labels, [number[c] for c in classes]))
        for split, classes in examples.splits.items()
    }
