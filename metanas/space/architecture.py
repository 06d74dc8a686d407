"""Discrete architectures: the result of a search as a frozen value with a one-line text form. Torch-free.

`parse` reads the text form that `str` writes: `conv3/relu > maxpool3/tanh > gru/relu`, one op/activation per
layer. It also reads chains of letters, `C-P-F`. A layer of a cell space is `[conv3@0 + skip@1,
gru@2 + conv5@0]/relu`: two nodes, each a sum of op@source; source 0 is the layer's input, 1 the input of the
layer before, 2 the first node. Channels, reductions and the rest of FRAME follow in brackets
where they differ from the default space: `conv3/relu > fc (channels=16, reductions=none)`.

`derive` takes the strongest candidates of a supernet. Related files: `enumeration.py` numbers the
architectures of a space, `picture.py` draws one, `metanas/models/derived.py` builds one as a network.
Malformed text, JSON or values raise InvalidValue; unknown ops and activations raise UnknownName.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from metanas.base import json_text
from metanas.base.errors import InvalidValue
from metanas.base.registry import UnknownName
from metanas.space.candidates import ACTIVATIONS, OPS
from metanas.space.space import SearchSpace, StemName

LETTERS = {"C": ("conv3", "relu"), "P": ("maxpool3", "identity"), "F": ("fc", "relu")}
SCHEMA_VERSION = 1
DEFAULT_SPACE = SearchSpace()  # the text form omits what equals its own frame
FRAME = (
    "channels",
    "reductions",
    "residual",
    "stem",
    "patch",
    "normed",
)  # what an architecture has of its space


@dataclass(frozen=True)
class Edge:
    """An operation on one input of a node; `source` is numbered as in `SearchSpace.sources`."""

    op: str
    source: int

    def __str__(self) -> str:
        return f"{self.op}@{self.source}"


@dataclass(frozen=True)
class Node:
    """A layer of a chain: one operation, then one activation."""

    op: str
    activation: str = "identity"

    @property
    def graph(self) -> tuple[tuple[Edge, ...], ...]:
        """The layer as a cell: one node with one edge, from the layer's input."""
        return ((Edge(self.op, 0),),)

    def __str__(self) -> str:
        return self.op if self.activation == "identity" else f"{self.op}/{self.activation}"


@dataclass(frozen=True)
class Cell:
    """A layer that is a graph: `graph[i]` holds the edges that node i sums; all nodes share one activation.

    InvalidValue if a node has no edge, reads an input twice, or reads a later node.
    """

    graph: tuple[tuple[Edge, ...], ...]
    activation: str = "identity"

    def __post_init__(self) -> None:
        for i, edges in enumerate(self.graph):
            for edge in edges:
                if not 0 <= edge.source < 2 + i:
                    raise InvalidValue(f"node {i} of a cell may read 0..{1 + i}, got {edge}")
            if len({edge.source for edge in edges}) != len(edges) or not edges:
                raise InvalidValue(
                    f"a node of a cell reads distinct inputs, at least one, got {_sum(edges)!r}"
                )
        if not self.graph:
            raise InvalidValue("a cell needs at least one node")

    def __str__(self) -> str:
        text = f"[{', '.join(_sum(edges) for edges in self.graph)}]"
        return text if self.activation == "identity" else f"{text}/{self.activation}"


Layer = Node | Cell


@dataclass(frozen=True)
class Architecture:
    """At least one layer, with the frame of its `SearchSpace` (FRAME): channels, reductions, stem, ...

    Layers are all `Node`s, or all `Cell`s with the same number of nodes. InvalidValue or UnknownName if not.
    """

    layers: tuple[Layer, ...]
    channels: int = DEFAULT_SPACE.channels
    reductions: tuple[int, ...] = DEFAULT_SPACE.reductions
    residual: bool = DEFAULT_SPACE.residual
    stem: StemName = DEFAULT_SPACE.stem
    patch: int = DEFAULT_SPACE.patch
    normed: bool = DEFAULT_SPACE.normed

    def __post_init__(self) -> None:
        if not self.layers:
            raise InvalidValue("an architecture needs at least one layer")
        if len({(type(layer), len(layer.graph)) for layer in self.layers}) > 1:
            raise InvalidValue(f"layers are all operations, or all cells of as many nodes, got {self}")
        for name in ("channels", "patch"):
            if getattr(self, name) < 1:
                raise InvalidValue(f"{name} must be positive, got {getattr(self, name)}")
        if self.stem not in get_args(StemName):
            raise UnknownName("stem", self.stem, get_args(StemName))
        if any(not 0 <= layer < len(self.layers) for layer in self.reductions):
            raise InvalidValue(f"reductions must lie in 0..{len(self.layers) - 1}, got {self.reductions}")
        for layer in self.layers:
            ops = [edge.op for edges in layer.graph for edge in edges]
            for registry, names in ((OPS, ops), (ACTIVATIONS, [layer.activation])):
                for name in names:
                    if name not in registry:
                        raise UnknownName(registry.kind, name, tuple(registry))

    def __str__(self) -> str:
        frame = []
        if self.channels != DEFAULT_SPACE.channels:
            frame.append(f"channels={self.channels}")
        if self.reductions != DEFAULT_SPACE.reductions:
            frame.append(f"reductions={'+'.join(map(str, self.reductions)) or 'none'}")
        if self.residual != DEFAULT_SPACE.residual:
            frame.append(f"residual={'yes' if self.residual else 'no'}")
        if self.stem != DEFAULT_SPACE.stem:
            frame.append(f"stem={self.stem}")
        if self.patch != DEFAULT_SPACE.patch:
            frame.append(f"patch={self.patch}")
        if self.normed != DEFAULT_SPACE.normed:
            frame.append(f"normed={'yes' if self.normed else 'no'}")
        return " > ".join(map(str, self.layers)) + (f" ({', '.join(frame)})" if frame else "")

    def to_json(self) -> str:
        """The architecture as one JSON object, with a schema version; `from_json` reads it back."""
        layers = [
            {"op": layer.op, "activation": layer.activation}
            if isinstance(layer, Node)
            else {
                "cell": [[{"op": e.op, "source": e.source} for e in edges] for edges in layer.graph],
                "activation": layer.activation,
            }
            for layer in self.layers
        ]
        frame = {name: getattr(self, name) for name in FRAME}
        return json.dumps({"schema_version": SCHEMA_VERSION, "layers": layers, **frame})

    @classmethod
    def from_json(cls, text: str) -> "Architecture":
        """The architecture that `to_json` wrote. InvalidValue says what is wrong with the text."""
        fields = json_text.loads(text)
        version = fields.pop("schema_version", None)
        if version != SCHEMA_VERSION:
            raise InvalidValue(f"architecture.schema_version: expected {SCHEMA_VERSION}, got {version!r}")
        try:
            layers = tuple(_layer(layer) for layer in fields.pop("layers"))
            return cls(layers, reductions=tuple(fields.pop("reductions")), **fields)
        except (KeyError, TypeError) as error:
            if isinstance(error, UnknownName):
                raise
            raise InvalidValue(f"not the JSON form of an architecture: {error!r}") from error


def parse(text: str, frame: SearchSpace = DEFAULT_SPACE) -> Architecture:
    """The architecture of a text form, or of letters: "C-P-F" is conv3/relu > maxpool3 > fc/relu.

    frame: the space whose channels, reductions, residual and stem hold where the text does not give them.
    Raises InvalidValue or UnknownName.
    """
    body, _, options = text.strip().partition("(")
    letters = body.strip().split("-")
    if all(letter in LETTERS for letter in letters):
        layers: tuple[Layer, ...] = tuple(Node(*LETTERS[letter]) for letter in letters)
    else:
        layers = tuple(_parse_layer(part.strip()) for part in body.split(">"))
    settings = _frame(options)
    return Architecture(
        layers,
        channels=settings.get("channels", frame.channels),
        reductions=settings.get("reductions", _within(frame.reductions, len(layers))),
        residual=settings.get("residual", frame.residual),
        stem=settings.get("stem", frame.stem),
        patch=settings.get("patch", frame.patch),
        normed=settings.get("normed", frame.normed),
    )


def derive(
    space: SearchSpace,
    node: Sequence[Sequence[float]],
    activation: Sequence[Sequence[float]],
    depth: Sequence[float],
    **edges: Sequence[Sequence[float]],
) -> Architecture:
    """The strongest op and activation of every layer up to the strongest exit (Liu et al., 2019, sec. 2.4).

    node (L * E, O), activation (L, A), depth (X,), edge<i> (L, inputs of node i): logits as in
    `SuperNet.arch`, or probabilities, which cells need. `none` is not selected unless it is the only op.
    A node of a cell keeps its two strongest inputs (as in DARTS), ranked by the probability of their best op
    times the edge weight.
    """
    num_layers = space.exits[_strongest(depth)] + 1
    layers: list[Layer] = []
    for layer in range(num_layers):
        act_name = space.activations[_strongest(activation[layer])]
        rows = iter(node[layer * space.edges : (layer + 1) * space.edges])
        graph = []
        for i, sources in enumerate(space.sources):
            shares = edges[f"edge{i}"][layer] if f"edge{i}" in edges else [1.0] * len(sources)
            ranked = []
            for source, share in zip(sources, shares, strict=True):
                op, value = _best_op(space.ops, next(rows))
                ranked.append((-share * value, Edge(op, source)))
            strongest = sorted(ranked, key=lambda pair: pair[0])[:2]
            graph.append(tuple(sorted((edge for _, edge in strongest), key=lambda edge: edge.source)))
        layers.append(Cell(tuple(graph), act_name) if space.nodes else Node(graph[0][0].op, act_name))
    return frame(space, layers)


def frame(space: SearchSpace, layers: Iterable[Layer]) -> Architecture:
    """An architecture of these layers with the space's frame."""
    layers = tuple(layers)
    settings = {name: getattr(space, name) for name in FRAME}
    return Architecture(layers, **settings | {"reductions": _within(space.reductions, len(layers))})


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
        raise InvalidValue(f"a cell reads [op@input + ..., ...]/activation, got {text!r}")
    nodes = [node.split("+") for node in body[1:-1].split(",")]
    return Cell(tuple(tuple(_parse_edge(edge.strip()) for edge in node) for node in nodes), activation)


def _parse_edge(text: str) -> Edge:
    op, _, source = text.partition("@")
    if not source.isdecimal():
        raise InvalidValue(f"an edge of a cell reads op@input, for example conv3@0, got {text!r}")
    return Edge(op, int(source))


def _frame(text: str) -> dict[str, Any]:
    """The settings in the brackets after the layers, by name."""
    settings: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.rstrip(") ").split(","))):
        match part.partition("="):
            case ("channels" | "patch" as name, _, value) if value.isdecimal():
                settings[name] = int(value)
            case ("stem", _, value):
                settings["stem"] = value
            case ("residual" | "normed" as name, _, "yes" | "no" as value):
                settings[name] = value == "yes"
            case ("reductions", _, value) if value == "none" or re.fullmatch(r"\d+(\+\d+)*", value):
                settings["reductions"] = () if value == "none" else tuple(map(int, value.split("+")))
            case _:
                raise InvalidValue(
                    f"settings read (channels=16, reductions=0+1, residual=no), got {part!r} in it"
                )
    return settings


def _layer(fields: dict[str, Any]) -> Layer:
    if "cell" not in fields:
        return Node(**fields)
    graph = tuple(tuple(Edge(**edge) for edge in edges) for edges in fields["cell"])
    return Cell(graph, fields["activation"])
