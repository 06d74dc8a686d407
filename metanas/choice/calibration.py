"""Temperature scaling of candidates: the factor of a candidate's logits, fitted on judged tasks.

A leave-one-out loss measures confidence beside accuracy: it prefers a candidate that is sure of nothing to
one that is more often right and too sure, and a candidate that is sure to one that is more often right and
sure of nothing. So each candidate is judged with its logits times the factor (an inverse temperature) that
gives it the least mean loss on the domain's judged tasks (Guo et al., On Calibration of Modern Neural
Networks, ICML 2017). Which class is answered does not change.

For a candidate without an error on these few tasks the best factor is infinite, and its first error elsewhere
would then cost most. So a share of all answers, the lapse rate, counts as drawn evenly from the classes
(Wichmann and Hill, The psychometric function I, 2001): an error costs log(ways / lapse) at most. Without it
no factor is above 1.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from metanas.choice.evidence import mean_loss

SCALES = tuple(2.0 ** (i / 2) for i in range(-12, 21))  # 1/64 to 1024
NEAR = 0.001  # nats: losses this near the least are as good; the factor nearest 1 among them is taken


def scales_of(calibrated: bool, lapse: float) -> tuple[float, ...]:
    """The factors to choose from: those up to 1 without a lapse rate, only 1 without calibration."""
    if not calibrated:
        return (1.0,)
    return SCALES if lapse else tuple(scale for scale in SCALES if scale <= 1)


def losses_at(logits: Tensor, y: Tensor, scales: Tensor, lapse: float = 0.0) -> Tensor:
    """Mean losses (T, K) of K candidates' logits (K, T, B, ways), each times its own of the scales (K,)."""
    return mean_loss(logits * scales.to(logits)[:, None, None, None], y, lapse).T


def losses_at_all(logits: Tensor, y: Tensor, scales: Sequence[float], lapse: float = 0.0) -> Tensor:
    """Mean losses (T, len(scales), K) of K candidates' logits (K, T, B, ways) times each of the scales."""
    return torch.stack([mean_loss(scale * logits, y, lapse).T for scale in scales], 1)


def fitted_scales(losses: Tensor, scales: Sequence[float]) -> Tensor:
    """The number (K,) of each candidate's scale, from losses (n, len(scales), K) of n tasks.

    The one nearest 1 whose mean loss is the least one or NEAR it. Where no scale is above 1: the least one.
    """
    mean = losses.mean(0)
    if max(scales) <= 1:
        return mean.argmin(0)
    order = sorted(range(len(scales)), key=lambda i: abs(math.log(scales[i])))
    near = (mean <= mean.min(0).values + NEAR)[order]
    return torch.tensor(order, device=losses.device)[near.to(torch.uint8).argmax(0)]
