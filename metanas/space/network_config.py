"""The network that a method trains, as settings, for example `--set network.kind=conv4`. Torch-free.

`kind` is a name from `metanas list networks`, or `supernet`: what `space` describes, a space to search or one
fixed architecture. `metanas/models/build.py` builds the network.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from metanas.base.errors import InvalidValue
from metanas.base.ranges import Positive, Size
from metanas.base.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn

    from metanas.data.episode import TaskSpec

    Builder = Callable[[Sequence[TaskSpec], "NetworkConfig"], nn.Module]

NETWORKS: "Registry[Builder]" = Registry("network", "NETWORKS", ("metanas.models",), "metanas.networks")


@dataclass(frozen=True)
class NetworkConfig:
    """A network and its options; a network ignores options that it does not have.

    width: filters, hidden units or model width. depth: transformer blocks.
    norm: `layer` normalises each example by itself; `batch` uses statistics of the whole batch, as MAML's
    papers do, so a prediction depends on the other queries (badge `transductive`).
    eps: added to the batch's variance; the papers' TensorFlow programs have 0.001. Smaller values make the
    gradients of channels with little variance far larger.
    down: how conv4 halves a feature map. read: how conv4 turns the last feature map into features.
    InvalidValue unless width and depth are at least 1 and eps is positive.
    """

    kind: str = "supernet"
    width: Size = 64
    depth: Size = 2
    norm: Literal["layer", "batch"] = "layer"
    eps: Positive = 1e-5
    down: Literal["pool", "stride"] = "pool"
    read: Literal["flatten", "mean"] = "flatten"

    def __post_init__(self) -> None:
        for name, value in (("width", self.width), ("depth", self.depth)):
            if value < 1:
                raise InvalidValue(f"network.{name} must be positive, got {value}")
        if not self.eps > 0:
            raise InvalidValue(f"network.eps must be more than 0, got {self.eps}")

    @property
    def transductive(self) -> bool:
        """Whether predictions depend on the other queries, through batch statistics."""
        return self.kind in NETWORKS and self.norm == "batch"
