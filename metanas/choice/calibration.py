"""Temperature scaling of candidates: the factor of a candidate's logits, fitted on judged tasks.

A leave-one-out loss measures confidence beside accuracy: where tasks are hard, it prefers a candidate that is
sure of nothing to one that is more often right and too sure. So each candidate is judged with its logits
times the factor (an inverse temperature) that gives it the least mean loss on the domain's judged tasks (Guo
et al., On Calibration of Modern Neural Networks, ICML 2017). No factor is above 1: for a candidate without an
error on these few tasks the best one is infinite, and its first error elsewhere would then cost most. Which
class is answered does not change.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from metanas.choice.evidence import mean_loss

SCALES = tuple(2.0 ** (i / 2) for i in range(-12, 1))  # 1/64 to 1


def losses_at(logits: Tensor, y: Tensor, scales: Tensor) -> Tensor:
    """Mean losses (T, K) of K candidates' logits (K, T, B, ways), each times its own of the scales (K,)."""
    return mean_loss(logits * scales.to(logits)[:, None, None, None], y).T


def losses_at_all(logits: Tensor, y: Tensor, scales: Sequence[float] = SCALES) -> Tensor:
    """Mean losses (T, len(scales), K) of K candidates' logits (K, T, B, ways) times each of the scales."""
    return torch.stack([mean_loss(scale * logits, y).T for scale in scales], 1)


def fitted_scales(losses: Tensor) -> Tensor:
    """The number (K,) of each candidate's scale, from losses (n, number of scales, K) of n tasks."""
    return losses.mean(0).argmin(0)
