"""The discrete result of a search as a frozen value with a one-line text form. Torch-free.

`conv3/relu > maxpool3/tanh > gru/relu` reads back to the same value (`parse`); the letters of hand-made
chains, `C-P-F`, parse too. A layer of a cell space reads `[conv3@0 + skip@1, gru@2 + conv5@0]/relu`: two
nodes, each a sum of operations; 0 is the layer's input, 1 the input of the layer before, 2 the first node.
What differs from the usual frame stands behind: `conv3/relu > fc (channels=16, reductions=none)`.

`derive` picks the strongest choices of a supernet; `fixed.py` builds a value into a network; `index.py`
numbers all values of a space.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metanas.kinds import ACTIVATIONS, OPS
from metanas.registry import UnknownName
from metanas.supernet.space import SearchSpace

if TYPE_CHECKING:
    import torch

    from metanas.episode import TaskSpec
    from metanas.params import Params
    from metanas.supernet.fixed import FixedNet

LETTERS = {"C": ("conv3", "relu"), "P": ("maxpool3", "identity"), "F": ("fc", "relu")}
SCHEMA_VERSION = 1
USUAL = SearchSpace()  # whose channels, reductions and residual the text form leaves out


@dataclass(frozen=True)
class Edge:
    """An operation on one of a node's inputs, numbered as in `SearchSpace.sources`."""

    op: str
    source: int

    def __str__(self) -> str:
        return f"{self.op}@{self.source}"


@dataclass(frozen=True)
class Node:
    """A layer of a chain: an operation and the activation after it."""

    op: str
    activation: str = "identity"

    @property
    def graph(self) -> tuple[tuple[Edge, ...], ...]:
        """As a cell of one node."""
        return ((Edge(self.op, 0),),)

    def __str__(self) -> str:
        return self.op if self.activation == "identity" else f"{self.op}/{self.activation}"


@dataclass(frozen=True)
class Cell:
    """A layer that is a graph: every node sums its edges; all share one activation."""

    graph: tuple[tuple[Edge, ...], ...]
    activation: str = "identity"

    def __post_init__(self) -> None:
        for i, edges in enumerate(self.graph):
            for edge in edges:
                if not 0 <= edge.source < 2 + i:
                    raise ValueError(f"node {i} of a cell may read 0..{1 + i}, got {edge}")
            if len({edge.source for edge in edges}) != len(edges) or not edges:
                raise ValueError(f"a node of a cell reads distinct inputs, at least one, got {_sum(edges)!r}")
        if not self.graph:
            raise ValueError("a cell needs at least one node")

    def __str__(self) -> str:
        text = f"[{', '.join(_sum(edges) for edges in self.graph)}]"
        return text if self.activation == "identity" else f"{text}/{self.activation}"


Layer = Node | Cell


@dataclass(frozen=True)
class Architecture:
    """At least one layer, and the frame they stand in (as in `SearchSpace`)."""

    layers: tuple[Layer, ...]
    channels: int = USUAL.channels
    reductions: tuple[int, ...] = USUAL.reductions
    residual: bool = USUAL.residual

    def __post_init__(self) -> None:
        if not self.layers:
            raise ValueError("an architecture needs at least one node")
        if len({(type(layer), len(layer.graph)) for layer in self.layers}) > 1:
            raise ValueError(f"layers are all operations, or all cells of as many nodes, got {self}")
        if self.channels < 1:
            raise ValueError(f"channels must be positive, got {self.channels}")
        if any(not 0 <= layer < len(self.layers) for layer in self.reductions):
            raise ValueError(f"reductions must lie in 0..{len(self.layers) - 1}, got {self.reductions}")
        for layer in self.layers:
            ops = [edge.op for edges in layer.graph for edge in edges]
            for registry, names in ((OPS, ops), (ACTIVATIONS, [layer.activation])):
                for name in names:
                    if name not in registry:
                        raise UnknownName(registry.kind, name, tuple(registry))

    def __str__(self) -> str:
        frame = []
        if self.channels != USUAL.channels:
            frame.append(f"channels={self.channels}")
        if self.reductions != USUAL.reductions:
            frame.append(f"reductions={'+'.join(map(str, self.reductions)) or 'none'}")
        if self.residual != USUAL.residual:
            frame.append(f"residual={'yes' if self.residual else 'no'}")
        return " > ".join(map(str, self.layers)) + (f" ({', '.join(frame)})" if frame else "")

    def to_json(self) -> str:
        """One JSON object; `from_json` reads it back to the same value."""
        layers = [
            {"op": layer.op, "activation": layer.activation}
            if isinstance(layer, Node)
            else {
                "cell": [[{"op": e.op, "source": e.source} for e in edges] for edges in layer.graph],
                "activation": layer.activation,
            }
            for layer in self.layers
        ]
        frame = {"channels": self.channels, "reductions": self.reductions, "residual": self.residual}
        return json.dumps({"schema_version": SCHEMA_VERSION, "layers": layers, **frame})

    @classmethod
    def from_json(cls, text: str) -> "Architecture":
        """ValueError names what is wrong with the text."""
        found = json.loads(text)
        version = found.pop("schema_version", None)
        if version != SCHEMA_VERSION:
            raise ValueError(f"architecture.schema_version: expected {SCHEMA_VERSION}, got {version!r}")
        try:
            layers = tuple(_layer(layer) for layer in found.pop("layers"))
            return cls(layers, reductions=tuple(found.pop("reductions")), **found)
        except (KeyError, TypeError) as error:
            if isinstance(error, UnknownName):
                raise
            raise ValueError(f"not the JSON form of an architecture: {error!r}") from error

    def build(
        self,
        spec: "TaskSpec",
        *,
        inherit: "Params | None" = None,
        generator: "torch.Generator | None" = None,
    ) -> "FixedNet":
        """A plain module for tasks of this spec, x -> logits (B, ways).

        Its numbers are those of the supernet's params `inherit`, or fresh ones from `generator`.
        """
        from metanas.supernet.fixed import build

        return build(self, spec, inherit=inherit, generator=generator)

    def to_svg(self, title: str = "") -> str:
        """A drawing of it."""
        from metanas.supernet.picture import picture

        return picture(self, title)

    def macs(self, input_shape: Sequence[int], ways: int = 5) -> int:
        """Multiply-accumulates of one example; what counts is said in supernet/macs.py."""
        from metanas.supernet.macs import macs

        return macs(self, input_shape, ways)

    def parameters(self) -> int:
        """Numbers in the layers, their norms and the exit; stem and head depend on the task."""
        from metanas.supernet.macs import parameters

        return parameters(self)


def parse(text: str, frame: SearchSpace = USUAL) -> Architecture:
    """The architecture of that text form, or of letters: "C-P-F" is conv3/relu > maxpool3 > fc/relu.

    frame: whose channels, reductions and residual hold where the text does not say.
    """
    body, _, options = text.strip().partition("(")
    letters = body.strip().split("-")
    if all(letter in LETTERS for letter in letters):
        layers: tuple[Layer, ...] = tuple(Node(*LETTERS[letter]) for letter in letters)
    else:
        layers = tuple(_parse_layer(part.strip()) for part in body.split(">"))
    given = _frame(options)
    return Architecture(
        layers,
        channels=given.get("channels", frame.channels),
        reductions=given.get("reductions", _within(frame.reductions, len(layers))),
        residual=given.get("residual", frame.residual),
    )


def derive(
    space: SearchSpace,
    node: Sequence[Sequence[float]],
    activation: Sequence[Sequence[float]],
    depth: Sequence[float],
    **edges: Sequence[Sequence[float]],
) -> Architecture:
    """The strongest op and activation of every layer up to the strongest exit (Liu et al., 2019, sec. 2.4).

    node (L * E, O), activation (L, A), depth (X,): logits or probabilities, edges as in `SuperNet.arch`.
    `none` is never picked, and a cell's node keeps its two strongest inputs, as in DARTS: inputs are compared
    by their strongest op, so cells want probabilities.
    """
    count = space.exits[_strongest(depth)] + 1
    layers: list[Layer] = []
    for layer in range(count):
        name = space.activations[_strongest(activation[layer])]
        rows = iter(node[layer * space.edges : (layer + 1) * space.edges])
        graph = []
        for i, sources in enumerate(space.sources):
            shares = edges[f"edge{i}"][layer] if f"edge{i}" in edges else [1.0] * len(sources)
            ranked = []
            for source, share in zip(sources, shares, strict=True):
                op, value = _best_op(space.ops, next(rows))
                ranked.append((-share * value, Edge(op, source)))
            kept = sorted(ranked, key=lambda pair: pair[0])[:2]
            graph.append(tuple(sorted((edge for _, edge in kept), key=lambda edge: edge.source)))
        layers.append(Cell(tuple(graph), name) if space.nodes else Node(graph[0][0].op, name))
    return frame(space, layers)


def frame(space: SearchSpace, layers: Iterable[Layer]) -> Architecture:
    """These layers in the space's frame."""
    layers = tuple(layers)
    return Architecture(layers, space.channels, _within(space.reductions, len(layers)), space.residual)


def _best_op(ops: Sequence[str], values: Sequence[float]) -> tuple[str, float]:
    allowed = {op: value for op, value in zip(ops, values, strict=True) if op != "none" or len(ops) == 1}
    best = max(allowed, key=allowed.__getitem__)
    return best, allowed[best]


def _strongest(values: Sequence[float]) -> int:
    return max(range(len(values)), key=values.__getitem__)


def _within(reductions: Iterable[int], layers: int) -> tuple[int, ...]:
    return tuple(layer for layer in reductions if layer < layers)


def _sum(edges: Sequence[Edge]) -> str:
    return " + ".join(map(str, edges))


def _parse_layer(text: str) -> Layer:
    body, _, activation = text.rpartition("/") if "/" in text else (text, "", "identity")
    if not body.startswith("["):
        return Node(body, activation)
    if not body.endswith("]"):
        raise ValueError(f"a cell reads [op@input + ..., ...]/activation, got {text!r}")
    nodes = [node.split("+") for node in body[1:-1].split(",")]
    return Cell(tuple(tuple(_parse_edge(edge.strip()) for edge in node) for node in nodes), activation)


def _parse_edge(text: str) -> Edge:
    op, _, source = text.partition("@")
    if not source.isdecimal():
        raise ValueError(f"an edge of a cell reads op@input, for example conv3@0, got {text!r}")
    return Edge(op, int(source))


def _frame(text: str) -> dict[str, Any]:
    """What stands in the brackets behind the layers."""
    found: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.rstrip(") ").split(","))):
        match part.partition("="):
            case ("channels", _, value) if value.isdecimal():
                found["channels"] = int(value)
            case ("residual", _, "yes" | "no" as value):
                found["residual"] = value == "yes"
            case ("reductions", _, value) if value == "none" or re.fullmatch(r"\d+(\+\d+)*", value):
                found["reductions"] = () if value == "none" else tuple(map(int, value.split("+")))
            case _:
                raise ValueError(
                    f"a frame reads (channels=16, reductions=0+1, residual=no), got {part!r} in it"
                )
    return found


def _layer(found: dict[str, Any]) -> Layer:
    if "cell" not in found:
        return Node(**found)
    graph = tuple(tuple(Edge(**edge) for edge in edges) for edges in found["cell"])
    return Cell(graph, found["activation"])
