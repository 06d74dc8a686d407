"""The discrete result of a search: a chain of nodes as a frozen value with a one-line text form.

`conv3/relu > maxpool3/tanh > gru/relu` reads back to the same value (`parse`); the letters of hand-made
chains, `C-P-F`, parse too. Torch-free. `derive` picks the strongest choices of a supernet.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from metanas.kinds import ACTIVATIONS, OPS
from metanas.registry import UnknownName
from metanas.supernet.space import SearchSpace

LETTERS = {"C": ("conv3", "relu"), "P": ("maxpool3", "identity"), "F": ("fc", "relu")}


@dataclass(frozen=True)
class Node:
    """An operation and the activation after it."""

    op: str
    activation: str = "identity"

    def __str__(self) -> str:
        return self.op if self.activation == "identity" else f"{self.op}/{self.activation}"


@dataclass(frozen=True)
class Architecture:
    """A chain of at least one node."""

    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        if not self.nodes:
            raise ValueError("an architecture needs at least one node")
        for node in self.nodes:
            for registry, name in ((OPS, node.op), (ACTIVATIONS, node.activation)):
                if name not in registry:
                    raise UnknownName(registry.kind, name, tuple(registry))

    def __str__(self) -> str:
        return " > ".join(str(node) for node in self.nodes)


def parse(text: str) -> Architecture:
    """The architecture of that text form, or of letters: "C-P-F" is conv3/relu > maxpool3 > fc/relu."""
    letters = text.split("-")
    if all(letter in LETTERS for letter in letters):
        return Architecture(tuple(Node(*LETTERS[letter]) for letter in letters))
    parts = [part.strip().partition("/") for part in text.split(">")]
    return Architecture(tuple(Node(op, activation or "identity") for op, _, activation in parts))


def derive(
    space: SearchSpace,
    node: Sequence[Sequence[float]],
    activation: Sequence[Sequence[float]],
    depth: Sequence[float],
) -> Architecture:
    """The strongest op and activation of every layer up to the strongest exit (Liu et al., 2019, sec. 2.4).

    node (L, O), activation (L, A), depth (L,): logits or probabilities. `none` is never picked, as in DARTS.
    """
    last = _strongest(depth)
    allowed = [
        [v if op != "none" else float("-inf") for op, v in zip(space.ops, row, strict=True)] for row in node
    ]
    return Architecture(
        tuple(
            Node(space.ops[_strongest(allowed[layer])], space.activations[_strongest(activation[layer])])
            for layer in range(last + 1)
        )
    )


def _strongest(values: Sequence[float]) -> int:
    return max(range(len(values)), key=values.__getitem__)
