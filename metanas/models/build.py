"""Build the network of a method's settings: the supernet, a fixed architecture or a fixed network."""

from collections.abc import Sequence
from typing import cast

from metanas.base.registry import UnknownName
from metanas.data.episode import TaskSpec
from metanas.models.derived import DerivedNet
from metanas.models.network import Network
from metanas.models.supernet import SuperNet
from metanas.space.architecture import parse
from metanas.space.network_config import NETWORKS, NetworkConfig
from metanas.space.space import SearchSpace


def build(config: NetworkConfig, space: SearchSpace, specs: Sequence[TaskSpec]) -> Network:
    """The network that `config.kind` names, with stems and heads for tasks of the given specs.

    UnknownName for an unknown kind.
    """
    if config.kind == "supernet":
        return network(space, specs)
    if config.kind in NETWORKS:
        return cast(Network, NETWORKS[config.kind](specs, config))
    raise UnknownName("network", config.kind, ("supernet", *NETWORKS))


def network(space: SearchSpace, specs: Sequence[TaskSpec]) -> SuperNet | DerivedNet:
    """The supernet of `space`, or the one architecture that `space.architecture` fixes."""
    if space.architecture:
        return DerivedNet(parse(space.architecture, space), specs)
    return SuperNet(space, specs)
