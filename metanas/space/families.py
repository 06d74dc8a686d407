"""Families of operations, used by strategies to select ops and by drawings to colour them. Torch-free.

An op belongs to the family with a prefix that its name starts with, so a new `conv7` needs no entry here.
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
    """The family of an op, by the prefix of its name; `other` if no prefix matches."""
    families = [name for name, prefixes in FAMILIES.items() if op.startswith(prefixes)]
    return families[0] if families else OTHER


def among(names: Iterable[str], candidates: Iterable[str]) -> tuple[str, ...]:
    """The candidates whose name or family is in `names`, in the order of the candidates."""
    wanted = set(names)
    return tuple(candidate for candidate in candidates if candidate in wanted or family(candidate) in wanted)
