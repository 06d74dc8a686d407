"""Registries of the candidate operations and activations of a search space. Torch-free.

The candidates themselves are in `metanas/models/ops.py` and `metanas/models/activations.py`; other packages
add ops through the entry-point group `metanas.ops`. A registry's lookup raises UnknownName.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from metanas.base.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn

    Op = Callable[[int], nn.Module]
    Activation = Callable[[Tensor], Tensor]

OPS: "Registry[Op]" = Registry("op", "OPS", ("metanas.models",), "metanas.ops")
ACTIVATIONS: "Registry[Activation]" = Registry("activation", "ACTIVATIONS", ("metanas.models",))
