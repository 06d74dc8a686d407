"""A node that mixes its candidates, and the exact merging that makes the mixture cheap.

All candidates that are convolutions in disguise (dense, separable and dilated convolutions, average
pooling, the identity) sum into one kernel, because norm and activation come after the mixture:
`sum_k p_k conv(x, W_k) = conv(x, sum_k p_k pad(W_k))`. So a node costs one convolution however many
linear candidates it has. `merge=False` computes the plain sum (Liu et al., 2019, eq. 2) as reference.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metanas.kinds import OPS
from metanas.supernet.ops import Linear, Mask, conv


class MixedOp(nn.Module):
    """Weighted sum of the candidates of one node (Liu et al., 2019, eq. 2)."""

    def __init__(self, ops: Sequence[str], channels: int, *, merge: bool = True) -> None:
        super().__init__()
        self.candidates = nn.ModuleDict({name: OPS[name](channels) for name in ops})
        self.merge = merge

    def forward(self, x: Tensor, weights: Tensor, mask: Mask = None) -> Tensor:
        """x (B, C, H, W), weights (O,) on the simplex, mask (B, 1, H, W) or None. Same shape as x."""
        kernels, total = [], None
        for weight, op in zip(weights.unbind(), self.candidates.values(), strict=True):
            if self.merge and isinstance(op, Linear):
                kernels.append(weight * op.kernel())
            else:
                part = weight * op(x, mask)
                total = part if total is None else total + part
        if kernels:
            merged = conv(x, add_centred(kernels))
            total = merged if total is None else total + merged
        assert total is not None  # a space has at least one op
        return total


def add_centred(kernels: Sequence[Tensor]) -> Tensor:
    """Sum of square kernels (C, C, k, k) of odd sizes, the small ones padded to the largest."""
    size = max(kernel.shape[-1] for kernel in kernels)
    padded = [F.pad(k, [(size - k.shape[-1]) // 2] * 4) for k in kernels]
    return torch.stack(padded).sum(0)
