"""Normalisation over the batch, as the papers' baselines have it.

`stem.Norm` looks at one example only; here the statistics are those of the batch at hand, without
running means, so predictions depend on the other queries: such rows carry the badge `transductive`.
"""

import torch
from torch import Tensor, nn

from metanas.stem import Norm
from metanas.supernet.ops import Mask


class BatchNorm(nn.Module):
    """Per channel over batch and positions that are there (Ioffe and Szegedy, 2015).

    Written out: torch's own loses second derivatives where vmap batches it over tasks of shared weights.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        if mask is None:
            variance, mean = torch.var_mean(x, (0, 2, 3), correction=0, keepdim=True)
            factor = torch.rsqrt(variance + 1e-5) * self.scale[:, None, None]
            return (x - mean) * factor + self.bias[:, None, None]
        count = mask.sum((0, 2, 3), keepdim=True).clamp_min(1)
        centred = (x - (x * mask).sum((0, 2, 3), keepdim=True) / count) * mask
        variance = centred.square().sum((0, 2, 3), keepdim=True) / count
        x = centred * torch.rsqrt(variance + 1e-5)
        return (x * self.scale[:, None, None] + self.bias[:, None, None]) * mask


def norm(kind: str, channels: int) -> nn.Module:
    """`layer` or `batch`."""
    return BatchNorm(channels) if kind == "batch" else Norm(channels)
