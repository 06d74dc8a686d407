"""Families of operations, by which strategies choose and drawings colour. Torch-free.

An op belongs to the family one of whose prefixes its name starts with: a new `conv7` needs no entry here.
"""

from collections.abc import Iterable

FAMILIES: dict[str, tuple[str, ...]] = {
    "convolution": ("conv", "sepconv", "dilconv"),
    "pooling": ("maxpool", "avgpool"),
    "recurrent": ("gru", "lstm"),
    "attention": ("attn",),
    "fully connected": ("fc",),
    "skip or none": ("skip", "none"),
}
OTHER = "other"


def family(op: str) -> str:
    """The family of an op; `other` for a foreign op whose name starts like none of ours."""
    found = [name for name, prefixes in FAMILIES.items() if op.startswith(prefixes)]
    return found[0] if found else OTHER


def among(names: Iterable[str], candidates: Iterable[str]) -> tuple[str, ...]:
    """The candidates that are named, or whose family is, in their own order."""
    wanted = set(names)
    return tuple(c for c in candidates if c in wanted or family(c) in wanted)
