"""The search space as a frozen value: candidate operations and activations, depth and width. Torch-free.

Configurations, listings and the leaderboard read it without torch. `architecture.py` holds one architecture
of a space; `metanas/models/supernet.py` builds the supernet over it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal, get_args

from metanas.base.errors import InvalidValue
from metanas.base.ranges import Number, Range, Size
from metanas.base.registry import UnknownName
from metanas.data.episode import TaskSpec
from metanas.space.candidates import ACTIVATIONS, OPS
from metanas.space.cost_budget import Cost
from metanas.space.strategy import Strategy, load

RelaxationName = Literal["softmax", "sparsemax"]
StemName = Literal["conv", "frames", "lean"]
Sampling = Literal["mixture", "uniform", "fair", "posterior"]
Levels = Literal["shared", "modality", "domain"]


@dataclass(frozen=True)
class SearchSpace:
    """`layers` layers of `channels` channels, each a mixture of `ops` and of `activations`.

    reductions: the layers (from 0) after which both sides of the feature map are halved.
    residual: add a layer's input to its output.
    nodes: 0 for a plain chain; 2 to 4 make every layer a DARTS cell, a graph of that many nodes, each summing
        over the inputs of this layer and the previous one and all earlier nodes (Liu et al., 2019, sec. 2.1).
    relaxation: how logits become mixture weights, unless the method has its own relaxation: softmax, or
        sparsemax, which gives weak candidates weight 0 (see models/relaxation.py).
    partial: only 1 / partial of the channels go through a mixture (PC-DARTS, Xu et al., 2020, sec. 3.1).
    strategy: a name or a YAML mapping, see space/strategy.py; it narrows ops and activations on construction.
    cost: budgets whose excess the search penalises, see search/cost.py.
    architecture: the text form of a fixed architecture; then nothing is searched and only `channels`,
        `reductions` and `residual` matter (see space/architecture.py).
    merge: fold all linear candidates of a node into one convolution (same result; see models/mixed.py).
    stem: conv (blocks of convolution, norm and ReLU); frames, the same where speech is a map of one row with
        all bands of a frame as its channels; or lean, which only embeds, so that the layers matter.
    patch: side of a lean stem's patches of an image; log-mels get twice as much, text single tokens.
    sampling: what meta-training computes in each iteration: the mixture of all candidates, or one
        architecture per domain, drawn as `space/sampling.py` says.
    normed: standardise every candidate's output before the mixture, so that all are on one scale.
    levels: whose architecture logits there are: shared ones, or shared ones plus those of every modality or
        domain, which are added to them.
    Raises InvalidValue or UnknownName for a setting that is out of range or unknown.
    """

    ops: tuple[str, ...] = ("conv3", "conv5", "maxpool3", "avgpool3", "gru", "attn", "fc", "skip")
    activations: tuple[str, ...] = ("relu", "tanh", "sigmoid")
    layers: Size = 3
    channels: Size = 32
    reductions: tuple[Number, ...] = (0,)
    residual: bool = True
    nodes: Annotated[int, Range(least=0, most=4)] = 0
    relaxation: RelaxationName = "softmax"
    partial: Size = 1
    strategy: Annotated[str, "a name of `metanas list strategies`, or a YAML mapping"] = "all"
    cost: Cost = Cost()
    architecture: str = ""
    merge: bool = True
    stem: StemName = "conv"
    patch: Size = 4
    sampling: Sampling = "mixture"
    levels: Levels = "shared"
    normed: bool = False

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
                raise InvalidValue(f"{registry.kind}s must be distinct and at least one, got {names}")
        for name in ("layers", "channels", "partial", "patch"):
            if getattr(self, name) < 1:
                raise InvalidValue(f"{name} must be positive, got {getattr(self, name)}")
        kinds = {"relaxation": RelaxationName, "stem": StemName, "sampling": Sampling, "levels": Levels}
        for name, kind in kinds.items():
            if getattr(self, name) not in get_args(kind):
                raise UnknownName(name, getattr(self, name), get_args(kind))
        if self.nodes not in (0, 2, 3, 4):
            raise InvalidValue(f"nodes must be 0 (a chain) or 2, 3, 4 (cells), got {self.nodes}")
        if self.channels % self.partial:
            raise InvalidValue(f"partial must divide the {self.channels} channels, got {self.partial}")
        if any(not 0 <= layer < self.layers for layer in self.reductions):
            raise InvalidValue(f"reductions must lie in 0..{self.layers - 1}, got {self.reductions}")
        object.__setattr__(self, "ops", self.plan.node.narrow(self.ops, "ops"))
        object.__setattr__(self, "activations", self.plan.activation.narrow(self.activations, "activations"))
        self.plan.depth.narrow(self._depths, "depths")

    @cached_property
    def plan(self) -> Strategy:
        """The parsed strategy."""
        return load(self.strategy)

    @property
    def _depths(self) -> tuple[str, ...]:
        return tuple(str(layer + 1) for layer in range(self.layers))

    @property
    def exits(self) -> tuple[int, ...]:
        """The layers (from 0) whose output the head may read."""
        return tuple(int(name) - 1 for name in self.plan.depth.narrow(self._depths, "depths"))

    @property
    def sources(self) -> tuple[tuple[int, ...], ...]:
        """The inputs each node of a layer may read, one tuple per node.

        0 is the layer's input, 1 the input of the layer before, 2 + i node i of this layer.
        A layer of a chain has one node, which reads the layer's input.
        """
        return tuple(tuple(range(2 + node)) for node in range(self.nodes)) or ((0,),)

    @property
    def edges(self) -> int:
        """The number of mixtures (edges) per layer: 1 in a chain, 2 + 3 + ... in a cell."""
        return sum(len(sources) for sources in self.sources)

    def level(self, spec: TaskSpec) -> str:
        """Whose logits are added to the shared ones for tasks of `spec`: a domain, a modality or ""."""
        return {"shared": "", "modality": spec.modality, "domain": spec.name}[self.levels]

    def prior(self) -> dict[str, list[list[float]] | list[float]]:
        """Initial logits: node (L * E, O), activation (L, A), depth (X,) for X exits; 0 without a prior."""
        node = self.plan.node.logits(self.ops)
        activation = self.plan.activation.logits(self.activations)
        return {
            "node": [node] * (self.layers * self.edges),
            "activation": [activation] * self.layers,
            "depth": self.plan.depth.logits([str(layer + 1) for layer in self.exits]),
        }
