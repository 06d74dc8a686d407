"""What can be chosen: the search space as a value.

Torch-free, so that configurations, listings and the leaderboard can read it. `network.py` builds it.
"""

from dataclasses import dataclass

from metanas.kinds import ACTIVATIONS, OPS
from metanas.registry import UnknownName


@dataclass(frozen=True)
class SearchSpace:
    """A chain of `layers` nodes of `channels` features, each mixing `ops` and `activations`.

    reductions: the layers (from 0) after which both sides of the feature map are halved.
    merge: fold all linear candidates of a node into one convolution (equal; see supernet/mixed.py).
    residual: add a layer's input to its output.
    """

    ops: tuple[str, ...] = ("conv3", "conv5", "maxpool3", "avgpool3", "gru", "attn", "fc", "skip")
    activations: tuple[str, ...] = ("relu", "tanh", "sigmoid")
    layers: int = 3
    channels: int = 32
    reductions: tuple[int, ...] = (0,)
    residual: bool = True
    merge: bool = True

    def __post_init__(self) -> None:
        for registry, names in ((OPS, self.ops), (ACTIVATIONS, self.activations)):
            known = tuple(registry)
            for name in names:
                if name not in known:
                    raise UnknownName(registry.kind, name, known)
            if len(set(names)) != len(names) or not names:
                raise ValueError(f"{registry.kind}s must be distinct and at least one, got {names}")
        for name, value in (("layers", self.layers), ("channels", self.channels)):
            if value < 1:
                raise ValueError(f"{name} must be positive, got {value}")
        if any(not 0 <= layer < self.layers for layer in self.reductions):
            raise ValueError(f"reductions must lie in 0..{self.layers - 1}, got {self.reductions}")
