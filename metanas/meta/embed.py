"""Features of T tasks' examples under one network, for methods that compare instead of adapt.

Used by ProtoNet and Matching Networks. All tasks share the network, so they are one big batch, unless
batch statistics (`network.norm=batch`) would then mix the tasks.
"""

import torch.nn.functional as F
from torch import Tensor
from torch.func import vmap

from metanas.episode import Batch, TaskSpec
from metanas.networks.network import Network, features
from metanas.params import Params


def embed(net: Network, params: Params, spec: TaskSpec, x: Tensor, *, apart: bool) -> Tensor:
    """x (T, B, *input_shape) to (T, B, F). apart: no statistics over several tasks."""
    if apart:
        found: Tensor = vmap(lambda x: features(net, params, x, spec))(x)
        return found
    return features(net, params, x.flatten(0, 1), spec).unflatten(0, x.shape[:2])


def prototypes(embedded: Tensor, support: Batch, ways: int) -> Tensor:
    """Class means (T, ways, F) of support features (T, B, F) (Snell et al., 2017, eq. 1)."""
    of_class = F.one_hot(support.y, ways).transpose(1, 2).to(embedded.dtype)  # (T, ways, B)
    return of_class @ embedded / of_class.sum(-1, keepdim=True)
