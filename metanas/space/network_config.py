"""The network that a method trains, as settings, for example `--set network.kind=conv4`. Torch-free.

`kind` is a name from `metanas list networks`, or `supernet`: what `space` describes, a space to search or one
fixed architecture. `metanas/models/build.py` builds the network.
"""

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
    weights: of a backbone (`models/pretrained.py`), what its weights are read from, mostly a file.
    weights_sha256: of these weights; filled in when a run is asked for, and checked when it is built.
    frozen: whether a backbone's weights stay as they are.
    InvalidValue unless width and depth are at least 1 and eps is positive.
    """

    kind: Annotated[str, "supernet, or a name of `metanas list networks`"] = "supernet"
    width: Size = 64
    depth: Size = 2
    norm: Literal["layer", "batch"] = "layer"
    eps: Positive = 1e-5
    down: Literal["pool", "stride"] = "pool"
    read: Literal["flatten", "mean"] = "flatten"
    weights: str = ""
    weights_sha256: str = ""
    frozen: bool = True

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


_LATER = ("weights", "weights_sha256", "frozen")  # fields that came after configurations were first stored


def stored_fields(config: NetworkConfig) -> dict[str, Any]:
    """The fields as they are stored: without later ones that nobody set, so that older runs stay the same."""
    default = NetworkConfig()
    return {
        key: value
        for key, value in asdict(config).items()
        if key not in _LATER or value != getattr(default, key)
    }


def with_hash(config: NetworkConfig) -> NetworkConfig:
    """The configuration with the SHA-256 of the weights of its backbone, if it is one; imports it then.

    InvalidValue if another network is given weights, or the weights are not those that it names.
    """
    entry = next((entry for entry in NETWORKS.entries() if entry.name == config.kind), None)
    ours = entry is None or entry.module.partition(".")[0] == "metanas"  # none of which is a backbone
    hash_of = None if ours else getattr(NETWORKS[config.kind], "weights_hash", None)
    if hash_of is None:
        if config.weights or config.weights_sha256:
            raise InvalidValue(
                f"network.weights is of backbones, and {config.kind} is none; see examples/backbones"
            )
        return config
    found = str(hash_of(config))
    if config.weights_sha256 not in ("", found):
        raise InvalidValue(
            f"network.weights_sha256 is {config.weights_sha256}; the weights of {config.kind} have {found}"
        )
    return replace(config, weights_sha256=found)
