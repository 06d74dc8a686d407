"""A nearest-mean classifier by Mahalanobis distance within the support set, in closed form.

Distances to class means c_k are d_k(x) = (x - c_k)^T M (x - c_k) with M = (I + amount * S / F)^-1, where S is
the scatter of the support features around their class means: directions in which a class varies by itself
(voices, slants) count less. Simple CNAPS (Bateni et al., CVPR 2020, sec. 4) with one covariance for all
classes, shrunk towards the identity as in regularised discriminant analysis (Friedman, 1989): a single class
has too few examples here. With amount 0, or one shot (S = 0), this is ProtoNet's head (Snell et al., 2017).
The Woodbury identity makes the system as small as the support set.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from metanas.data.episode import Batch
from metanas.meta.full_precision import full_precision


class Metric(NamedTuple):
    """The metric M of support sets as M v = v - share R^T A R v, and what it was made of.

    means (..., T, ways, F). residuals R (..., T, B, F): features minus the mean of their class. share: the
    amount over F. inner A (..., T, B, B): the inverse of I + share R R^T, less its part on what is constant
    within a class, where R is 0. With it M R^T = R^T A is no difference of nearly equal numbers.
    """

    means: Tensor
    residuals: Tensor
    share: float
    inner: Tensor

    def __call__(self, v: Tensor) -> Tensor:
        """M v of row vectors v (..., T, n, F)."""
        return v - self.share * (v @ self.residuals.mT) @ self.inner @ self.residuals


@full_precision
def metric(features: Tensor, y: Tensor, ways: int, amount: float) -> Metric:
    """The metric of support features (..., T, B, F) with labels y (T, B). amount: of the scatter."""
    of_class = F.one_hot(y, ways).to(features.dtype)  # (T, B, ways)
    of_mean = of_class / of_class.sum(1, keepdim=True).clamp_min(1)
    means = of_mean.mT @ features
    residuals = features - of_class @ means
    share = amount / features.shape[-1]
    kernel, constant = share * residuals @ residuals.mT, of_class @ of_mean.mT  # their product is 0
    size = kernel.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]  # any; this one keeps the digits
    eye = torch.eye(features.shape[-2], dtype=features.dtype, device=features.device)
    # this inverse waits for no card to see whether a system is singular, which none is here; a solver takes
    # 60 times as long on two threads where another process has the cores
    inverse = torch.cholesky_inverse(torch.linalg.cholesky_ex(eye + kernel + size * constant)[0])
    return Metric(means, residuals, share, inverse - constant / (1 + size))


@full_precision
def mahalanobis_head(
    features: Tensor, support: Batch, ways: int, sharpness: float, amount: float
) -> tuple[Tensor, Tensor]:
    """The classifier as a linear head: weight (..., T, ways, F), bias (..., T, ways).

    features (..., T, B, F) of the support set. Logits are -sharpness / F times the distance, but for what all
    classes have in common: w_k = 2 M c_k, b_k = -c_k^T M c_k, both times sharpness / F.
    """
    found = metric(features, support.y, ways, amount)
    scale, moved = sharpness / features.shape[-1], found(found.means)
    return 2 * scale * moved, -scale * (found.means * moved).sum(-1)
