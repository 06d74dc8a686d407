"""The class split of a declared domain: listed, in the order of a hash, or from a column."""

import difflib
from collections.abc import Iterable, Sequence

from metanas.base import philox
from metanas.base.errors import DataError
from metanas.data.episode import META_SPLITS, SPLITS, Split, split_named
from tasks.columns import folded
from tasks.declared.rows import Row
from tasks.declared.spec import Column, DomainFile

Classes = dict[Split, tuple[str, ...]]


def class_split(name: str, spec: DomainFile, rows: Sequence[Row]) -> Classes:
    """Class names by split. DataError for a listed class that has no rows, or a class in two splits.

    Shares are of the classes in the order of a hash of domain and class, so that they hold on every machine.
    """
    _check_alike(name, rows)
    found, chosen = sorted({row.label for row in rows}), spec.splits
    if isinstance(chosen, str):
        return {chosen: tuple(found)}
    if isinstance(chosen, Column):
        return _of_column(name, rows)
    shares = {split: value for split, value in chosen.items() if isinstance(value, float)}
    if shares:
        return _of_shares(name, shares, found)
    listed: Classes = {split: value for split, value in chosen.items() if isinstance(value, tuple)}
    for split, classes in listed.items():
        for wanted in classes:
            if wanted not in found:
                near = difflib.get_close_matches(wanted, found, n=1) or found[:1]
                raise DataError(
                    f"{name}: splits: no example of class {wanted!r} of {split}; there is {near[0]!r}"
                )
    return listed


def _check_alike(name: str, rows: Sequence[Row]) -> None:
    """DataError for a label that differs from another in case or spaces alone."""
    first: dict[str, str] = {}
    for row in rows:
        if (known := first.setdefault(folded(row.label), row.label)) != row.label:
            raise DataError(f"{name}: {row.place}: label {row.label!r}; did you mean {known!r}, as before?")


def _of_shares(name: str, shares: dict[Split, float], classes: list[str]) -> Classes:
    ordered = sorted(classes, key=lambda c: (philox.key("declared", name, c), c))
    splits: Classes = {}
    begin, total = 0, 0.0
    for split in SPLITS:
        if split in shares:
            total += shares[split]
            end = round(total * len(ordered))
            splits[split] = tuple(sorted(ordered[begin:end]))
            begin = end
    if empty := [split for split, names in splits.items() if not names]:
        raise DataError(f"{name}: splits: a share of {shares[empty[0]]:g} of {len(classes)} classes is none")
    return splits


def _of_column(name: str, rows: Iterable[Row]) -> Classes:
    home: dict[str, Split] = {}
    for row in rows:
        if row.split not in META_SPLITS and row.split not in SPLITS:
            raise DataError(f"{row.place}: split is {row.split!r}; expected one of {', '.join(SPLITS)}")
        split = split_named(row.split or "")
        if home.setdefault(row.label, split) != split:
            raise DataError(
                f"{name}: {row.place}: class {row.label!r} is in both {home[row.label]} and {split}; "
                "the classes of the splits are disjoint"
            )
    return {split: names for split in SPLITS if (names := tuple(sorted(c for c in home if home[c] == split)))}
