"""Embeddings and class prototypes of T tasks under one network, for metric-based methods.

Used by ProtoNet, Matching Networks and MetaNAS-ours. All tasks share the network, so they are one big batch,
unless batch statistics (`network.norm=batch`) would then mix the tasks.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import vmap

from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.models.derived import DerivedNet
from metanas.models.network import Network, features, head_name
from metanas.models.supernet import SuperNet
from metanas.params import Params, Tensors, expand_tasks


def embed(net: Network, params: Params, spec: TaskSpec, x: Tensor, *, apart: bool) -> Tensor:
    """x (T, B, *input_shape) to features (T, B, F). apart: no batch statistics over several tasks."""
    if apart:
        embedded: Tensor = vmap(lambda x: features(net, params, x, spec))(x)
        return embedded
    return features(net, params, x.flatten(0, 1), spec).unflatten(0, x.shape[:2])


def prototypes(embedded: Tensor, support: Batch, ways: int) -> Tensor:
    """Class means (T, ways, F) of support features (T, B, F) (Snell et al., 2017, eq. 1)."""
    of_class = F.one_hot(support.y, ways).transpose(1, 2).to(embedded.dtype)  # (T, ways, B)
    return of_class @ embedded / of_class.sum(-1, keepdim=True).clamp_min(1)


def prototype_head(features: Tensor, support: Batch, ways: int, sharpness: float) -> tuple[Tensor, Tensor]:
    """The nearest-mean classifier as a linear head: weight (..., T, ways, F), bias (..., T, ways).

    features (..., T, B, F) of the support set. w_k = 2 c_k and b_k = -|c_k|^2, both times sharpness / F
    (Triantafillou et al., 2020, sec. 3).
    """
    means = prototypes(features, support, ways)
    return nearest_mean(means, sharpness / means.shape[-1])


def nearest_mean(means: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Weight (..., ways, F) and bias (..., ways) of the logits -scale |f - c_k|^2, but for scale |f|^2."""
    return 2 * scale * means, -scale * means.square().sum(-1)


def start_with_head(params: Params, weight: Tensor, bias: Tensor) -> Params:
    """T tasks' parameters (T, ...): shared but for the heads, weight (T, ways, F) and bias (T, ways)."""
    tasks, ways, size = weight.shape
    head, shared = head_name(params.weights, ways, size), expand_tasks(params, tasks)
    return Params(shared.weights | {f"{head}.weight": weight, f"{head}.bias": bias}, shared.arch)


def answering(net: Network, params: Params, weight: Tensor, bias: Tensor) -> Tensors | None:
    """T tasks' weights (T, ...) with which the network itself answers by these heads (`start_with_head`).

    None for a network that has no architecture of the space, of which nothing is derived.
    """
    if not isinstance(net, SuperNet | DerivedNet):
        return None
    return start_with_head(params, weight, bias).weights


def wide_loss(queries: Tensor, weight: Tensor, bias: Tensor, episodes: Episodes) -> Tensor:
    """Mean cross-entropy () of T tasks' queries (T, Q, F) under the heads of all T tasks side by side.

    weight (T, ways, F), bias (T, ways): each task's head. More ways in training than at test make better
    features (Snell et al., 2017, on the composition of episodes). Another task's logit for a query's own
    class is left out.
    """
    assert episodes.classes is not None  # meta-training episodes have them
    tasks, ways = episodes.classes.shape
    logits = queries.flatten(0, 1) @ weight.flatten(0, 1).T + bias.flatten()  # (T * Q, T * ways)
    first = ways * torch.arange(tasks, device=queries.device)[:, None]
    own = (first + episodes.query.y).flatten()  # (T * Q,)
    same = episodes.classes.gather(1, episodes.query.y).flatten()[:, None] == episodes.classes.flatten()
    same = same.scatter(1, own[:, None], False)
    return F.cross_entropy(logits.masked_fill(same, -torch.inf), own)
