"""How confident a candidate may be: the scale of its logits, fitted on judged tasks (temperature scaling).

A leave-one-out loss measures confidence beside accuracy: where tasks are hard, it prefers a candidate that is
sure of nothing to one that is more often right and too sure. So each candidate is judged with its logits
times the factor that gives it the least mean loss on the domain's judged tasks (Guo et al., On Calibration of
Modern Neural Networks, ICML 2017). Which class is answered does not change.
"""

import torch
from torch import Tensor

from metanas.choice.evidence import mean_loss

SCALES = tuple(2.0 ** (i / 2) for i in range(-12, 9))  # 1/64 to 16


def losses_at(logits: Tensor, y: Tensor, scales: Tensor) -> Tensor:
    """Mean losses (T, K) of K candidates' logits (K, T, B, ways), each times its own of the scales (K,)."""
    return mean_loss(logits * scales.to(logits)[:, None, None, None], y).T


def losses_at_all(logits: Tensor, y: Tensor) -> Tensor:
    """Mean losses (T, len(SCALES), K) of K candidates' logits (K, T, B, ways) times each of SCALES."""
    return torch.stack([mean_loss(scale * logits, y).T for scale in SCALES], 1)


def fitted_scales(losses: Tensor) -> Tensor:
    """The number in SCALES (K,) of each candidate's scale, from losses (n, len(SCALES), K) of n tasks."""
    return losses.mean(0).argmin(0)
