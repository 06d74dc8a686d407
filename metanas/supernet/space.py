"""What can be chosen: the search space as a value.

Torch-free, so that configurations, listings and the leaderboard can read it. `network.py` builds it;
`architecture.py` holds one choice from it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

from metanas.kinds import ACTIVATIONS, OPS
from metanas.registry import UnknownName
from metanas.search.budget import Cost
from metanas.search.strategy import Strategy, load

RelaxationName = Literal["softmax", "sparsemax"]


@dataclass(frozen=True)
class SearchSpace:
    """`layers` layers of `channels` features, each mixing `ops` and `activations`.

    reductions: the layers (from 0) after which both sides of the feature map are halved.
    residual: add a layer's input to its output.
    nodes: 0 for a plain chain; 2 to 4 make every layer a DARTS cell, a graph of so many nodes of which
        each sums over all before it and the inputs of this layer and the last (Liu et al., 2019, sec. 2.1).
    relaxation: how logits become the weights of a mixture where a method has no way of its own: softmax, or
        sparsemax, which leaves weak candidates out (see search/relax.py).
    partial: only 1 / partial of the channels go through a mixture (PC-DARTS, Xu et al., 2020, sec. 3.1).
    strategy: a name or a YAML mapping, see search/strategy.py; it narrows ops and activations here.
    cost: budgets that a search is to keep, see search/cost.py.
    architecture: the text form of a fixed architecture; then nothing is searched and only `channels`,
        `reductions` and `residual` matter (see supernet/architecture.py).
    merge: fold all linear candidates of a node into one convolution (equal; see supernet/mixed.py).
    """

    ops: tuple[str, ...] = ("conv3", "conv5", "maxpool3", "avgpool3", "gru", "attn", "fc", "skip")
    activations: tuple[str, ...] = ("relu", "tanh", "sigmoid")
    layers: int = 3
    channels: int = 32
    reductions: tuple[int, ...] = (0,)
    residual: bool = True
    nodes: int = 0
    relaxation: RelaxationName = "softmax"
    partial: int = 1
    strategy: str = "all"
    cost: Cost = Cost()
    architecture: str = ""
    merge: bool = True

    def __post_init__(self) -> None:
        for name in ("ops", "activations", "reductions"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if isinstance(self.cost, dict):  # as a configuration file has it
            object.__setattr__(self, "cost", Cost(**self.cost))
        for registry, names in ((OPS, self.ops), (ACTIVATIONS, self.activations)):
            known = tuple(registry)
            for name in names:
                if name not in known:
                    raise UnknownName(registry.kind, name, known)
            if len(set(names)) != len(names) or not names:
                raise ValueError(f"{registry.kind}s must be distinct and at least one, got {names}")
        for name in ("layers", "channels", "partial"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.relaxation not in get_args(RelaxationName):
            raise UnknownName("relaxation", self.relaxation, get_args(RelaxationName))
        if self.nodes not in (0, 2, 3, 4):
            raise ValueError(f"nodes must be 0 (a chain) or 2, 3, 4 (cells), got {self.nodes}")
        if self.channels % self.partial:
            raise ValueError(f"partial must divide the {self.channels} channels, got {self.partial}")
        if any(not 0 <= layer < self.layers for layer in self.reductions):
            raise ValueError(f"reductions must lie in 0..{self.layers - 1}, got {self.reductions}")
        object.__setattr__(self, "ops", self.plan.node.narrow(self.ops, "ops"))
        object.__setattr__(self, "activations", self.plan.activation.narrow(self.activations, "activations"))
        self.plan.depth.narrow(self._depths, "depths")

    @cached_property
    def plan(self) -> Strategy:
        """The strategy, read."""
        return load(self.strategy)

    @property
    def _depths(self) -> tuple[str, ...]:
        return tuple(str(layer + 1) for layer in range(self.layers))

    @property
    def exits(self) -> tuple[int, ...]:
        """The layers (from 0) the head may read."""
        return tuple(int(name) - 1 for name in self.plan.depth.narrow(self._depths, "depths"))

    @property
    def sources(self) -> tuple[tuple[int, ...], ...]:
        """Where each node of a layer may read from, one tuple per node.

        0 is the layer's input, 1 the input of the layer before, 2 and up this layer's earlier nodes.
        A layer of a chain has one node, which reads the layer's input.
        """
        return tuple(tuple(range(2 + node)) for node in range(self.nodes)) or ((0,),)

    @property
    def edges(self) -> int:
        """Mixtures per layer: 1 in a chain, 2 + 3 + ... in a cell."""
        return sum(len(sources) for sources in self.sources)

    def prior(self) -> dict[str, list[list[float]] | list[float]]:
        """Initial logits: node (L * E, O), activation (L, A), depth (X,) of X exits; 0 without one."""
        node = self.plan.node.logits(self.ops)
        activation = self.plan.activation.logits(self.activations)
        return {
            "node": [node] * (self.layers * self.edges),
            "activation": [activation] * self.layers,
            "depth": self.plan.depth.logits([str(layer + 1) for layer in self.exits]),
        }
