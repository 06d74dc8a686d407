"""How well an architecture fits a task, from the support set alone: leave-one-out logits in closed form.

Every support example is classified by a head that was fitted to the others. For the heads here this needs no
second fit: a class mean without one of its examples is known from the mean, and ridge regression's
prediction without an example from its residual and leverage (Allen, 1974; Hastie et al., 2009, eq. 7.64). No
query is looked at. At one shot a class without its only example has no mean, so there is no such evidence.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from metanas.base.errors import InvalidValue
from metanas.meta.full_precision import full_precision
from metanas.meta.mahalanobis import metric


def shots_of(y: Tensor, ways: int) -> int:
    """The least number of examples that a class has in any of the support sets y (T, B)."""
    return int(F.one_hot(y, ways).sum(1).min())


@full_precision
def prototype_loo(features: Tensor, y: Tensor, ways: int, sharpness: float) -> Tensor:
    """Leave-one-out logits (..., T, B, ways) of nearest-mean classifiers on features (..., T, B, F).

    y (T, B): labels. They are as in ProtoNet, -sharpness times the mean squared distance (Snell et al.,
    2017, eq. 2), to the class means without the example itself. InvalidValue for a class with one example.
    """
    _at_least_two(y, ways)
    of_class = F.one_hot(y, ways).to(features.dtype)  # (T, B, ways)
    count = of_class.sum(1)  # (T, ways)
    means = of_class.mT @ features / count[..., None]  # (..., T, ways, F)
    squares = (features[..., :, None, :] - means[..., None, :, :]).square().mean(-1)  # (..., T, B, ways)
    # an example is n / (n - 1) times as far from the mean of its n - 1 companions as from the mean of all n
    stretch = 1 + of_class * ((count / (count - 1)).square() - 1)[:, None]
    return -sharpness * squares * stretch


@full_precision
def ridge_loo(features: Tensor, y: Tensor, ways: int, penalty: Tensor, scale: Tensor) -> Tensor:
    """Leave-one-out logits (..., T, B, ways) of ridge heads on features (..., T, B, F) (`meta/ridge.py`).

    penalty, scale: () as there. The prediction without example i is y_i - (y_i - p_i) / (1 - h_i) with the
    prediction p_i and the leverage h_i of the fit to all.
    """
    _at_least_two(y, ways)
    target = F.one_hot(y, ways).to(features.dtype)  # (T, B, ways)
    kernel = features @ features.mT  # (..., T, B, B)
    eye = torch.eye(kernel.shape[-1], dtype=kernel.dtype, device=kernel.device)
    hat = torch.linalg.solve_ex(kernel + penalty * eye, kernel)[0]  # K (K + p I)^-1, symmetric
    leverage = hat.diagonal(dim1=-2, dim2=-1)[..., None]
    without = target - (target - hat @ target) / (1 - leverage)
    return scale * without


@full_precision
def mahalanobis_loo(features: Tensor, y: Tensor, ways: int, sharpness: float, amount: float) -> Tensor:
    """Leave-one-out logits (..., T, B, ways) of Mahalanobis heads on features (..., T, B, F).

    sharpness, amount: as in `meta/mahalanobis.py`. Without an example, n / (n - 1) times the square of its
    residual r is missing from the scatter of its class of n, so the metric follows from the one of all
    examples by the formula of Sherman and Morrison (1950).
    """
    _at_least_two(y, ways)
    of_class = F.one_hot(y, ways).to(features.dtype)  # (T, B, ways)
    count = (of_class @ of_class.sum(1)[..., None])[..., 0]  # (T, B): of the example's class
    found = metric(features, y, ways, amount)
    away = found.inner @ found.residuals  # M r of each example, (..., T, B, F)
    ratio = count / (count - 1)
    left = found.inner.diagonal(dim1=-2, dim2=-1) * ratio  # 1 - share n / (n - 1) r^T M r
    factor = found.share * ratio / left  # M without the example: M + factor M r r^T M
    gram = found(features) @ features.mT  # x^T M x', (..., T, B, B)
    moved = found(found.means)  # M c, (..., T, ways, F)
    crossed = features @ moved.mT  # x^T M c, (..., T, B, ways)
    norms = (found.means * moved).sum(-1)[..., None, :]  # c^T M c
    squares = gram.diagonal(dim1=-2, dim2=-1)[..., None] - 2 * crossed + norms
    slope = (features * away).sum(-1, keepdim=True) - away @ found.means.mT  # (x - c)^T M r
    squares = squares + factor[..., None] * slope.square()
    # an example is n / (n - 1) times as far from the mean of its n - 1 companions as from the mean of all n
    stretch = 1 + of_class * (ratio.square() - 1)[..., None]
    return -sharpness / features.shape[-1] * squares * stretch


@full_precision
def mean_loss(logits: Tensor, y: Tensor, lapse: float = 0.0) -> Tensor:
    """Mean over B of the cross-entropy of logits (..., T, B, ways) with labels y (T, B): (..., T).

    lapse: the share of answers that count as drawn evenly from the classes, in [0, 1]; so p = (1 - lapse)
    softmax + lapse / ways, and no answer costs more than log(ways / lapse).
    """
    picked = logits.log_softmax(-1).gather(-1, y.expand(logits.shape[:-1])[..., None])[..., 0]
    if lapse:
        known, even = torch.tensor([1 - lapse, lapse / logits.shape[-1]], dtype=torch.float64).log().tolist()
        picked = torch.logaddexp(picked + known, torch.full_like(picked, even))
    return -picked.mean(-1)


def _at_least_two(y: Tensor, ways: int) -> None:
    if (shots := shots_of(y, ways)) < 2:
        raise InvalidValue(f"leave-one-out needs two examples of every class, got {shots}")
