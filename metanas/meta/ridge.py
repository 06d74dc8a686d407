"""A ridge regression head on the support set, in closed form and differentiable (R2-D2).

Bertinetto, Henriques, Torr, Vedaldi: Meta-learning with differentiable closed-form solvers (ICLR 2019), eq.
4-6. The Woodbury identity makes the system as small as the support set: W = X^T (X X^T + penalty I)^-1 Y.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from metanas.data.episode import Batch
from metanas.meta.full_precision import full_precision
from metanas.params import Tensors


def start_ridge() -> Tensors:
    """The logs of the head's two learned numbers before meta-training, as tensors of a state.

    penalty 1 and scale 1 (the factor on its predictions, which lie in [0, 1], before the softmax) grow from
    there.
    """
    return {"head/penalty": torch.zeros(()), "head/scale": torch.tensor(2.0)}


@full_precision
def ridge_head(features: Tensor, support: Batch, ways: int, penalty: Tensor) -> Tensor:
    """Weights (..., T, F, ways) of ridge regressions from features (..., T, B, F) to the tasks' one-hot
    labels."""
    target = F.one_hot(support.y, ways).to(features.dtype).expand(*features.shape[:-1], ways)
    eye = torch.eye(features.shape[-2], dtype=features.dtype, device=features.device)
    # solve_ex, as solve waits for a card to see whether a system is singular, which none is with a penalty
    solved = torch.linalg.solve_ex(features @ features.mT + penalty * eye, target)[0]  # (T, B, ways)
    return features.mT @ solved
