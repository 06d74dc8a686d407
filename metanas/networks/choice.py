"""Which network a method trains, as a setting: `--set network.kind=conv4 --set network.width=32`.

Torch-free values and the one function that builds them. `kind` is a name of `metanas list networks`, or
`supernet`, which is what `space` says: a space to search, or one fixed architecture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from metanas.kinds import NETWORKS
from metanas.registry import UnknownName

if TYPE_CHECKING:
    from metanas.episode import TaskSpec
    from metanas.networks.network import Network
    from metanas.supernet.space import SearchSpace


@dataclass(frozen=True)
class Choice:
    """A network and its options; an option that a network does not have is ignored by it.

    width: filters, hidden units or model width. depth: transformer blocks.
    norm: `layer` looks at one example; `batch` at the whole batch, as MAML's papers do, which makes a
    prediction depend on the other queries (badge `transductive`). eps: added to a batch's variance; the
    papers' TensorFlow programs have 0.001, and less makes gradients of hardly used channels far larger.
    down: how conv4 halves a map. read: what its head sees of the last one.
    """

    kind: str = "supernet"
    width: int = 64
    depth: int = 2
    norm: Literal["layer", "batch"] = "layer"
    eps: float = 1e-5
    down: Literal["pool", "stride"] = "pool"
    read: Literal["flatten", "mean"] = "flatten"

    def __post_init__(self) -> None:
        for name, value in (("width", self.width), ("depth", self.depth)):
            if value < 1:
                raise ValueError(f"network.{name} must be positive, got {value}")
        if not self.eps > 0:
            raise ValueError(f"network.eps must be more than 0, got {self.eps}")

    @property
    def transductive(self) -> bool:
        """Whether batch statistics mix the queries."""
        return self.kind in NETWORKS and self.norm == "batch"


def build(choice: Choice, space: "SearchSpace", specs: "Sequence[TaskSpec]") -> "Network":
    """The network for tasks of the given kinds. UnknownName says which was probably meant."""
    from metanas.supernet.fixed import network

    if choice.kind == "supernet":
        return network(space, specs)
    if choice.kind in NETWORKS:
        return NETWORKS[choice.kind](specs, choice)
    raise UnknownName("network", choice.kind, ("supernet", *NETWORKS))
