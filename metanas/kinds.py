"""The kinds of plug-in there are. Importing this imports nothing that is heavy.

To add one of a kind, register it in a file of the folder named here; no list needs editing.
"""

from typing import TYPE_CHECKING

from metanas.registry import Registry

if TYPE_CHECKING:
    from metanas.method import Method
    from metanas.networks.network import Builder
    from metanas.store import Adapter
    from metanas.supernet.activations import Activation
    from metanas.supernet.ops import Op

DOMAINS: "Registry[type[Adapter]]" = Registry("domain", "DOMAINS", ("tasks",), "metanas.domains")
METHODS: "Registry[type[Method]]" = Registry("method", "METHODS", ("baselines",), "metanas.methods")
NETWORKS: "Registry[Builder]" = Registry("network", "NETWORKS", ("metanas.networks",), "metanas.networks")
OPS: "Registry[Op]" = Registry("op", "OPS", ("metanas.supernet",), "metanas.ops")
ACTIVATIONS: "Registry[Activation]" = Registry("activation", "ACTIVATIONS", ("metanas.supernet",))
