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
    """Weighted sum of the candidates of one node (Liu et al., 2019, eq. 2).

    With partial > 1 only the first 1 / partial of the channels are mixed, the others pass, and the channels
    are shuffled so that the next node mixes others (PC-DARTS, Xu et al., 2020, eq. 1).
    """

    def __init__(self, ops: Sequence[str], channels: int, *, partial: int = 1, merge: bool = True) -> None:
        super().__init__()
        self.candidates = nn.ModuleDict({name: OPS[name](channels // partial) for name in ops})
        self.partial = partial
        self.merge = merge

    def forward(
        self, x: Tensor, weights: Tensor, mask: Mask = None, active: Sequence[bool] | None = None
    ) -> Tensor:
        """x (B, C, H, W), weights (O,), mask (B, 1, H, W) or None. Same shape as x.

        active (O,): which candidates to compute, the others having weight exactly 0; None: all.
        """
        if self.partial == 1:
            return self._mix(x, weights, mask, active)
        mixed, rest = x.tensor_split([x.shape[1] // self.partial], dim=1)
        together = torch.cat([self._mix(mixed, weights, mask, active), rest], dim=1)
        return together.unflatten(1, (self.partial, -1)).transpose(1, 2).flatten(1, 2)

    def _mix(self, x: Tensor, weights: Tensor, mask: Mask, active: Sequence[bool] | None) -> Tensor:
        kernels, total = [], None
        for i, (weight, op) in enumerate(zip(weights.unbind(), self.candidates.values(), strict=True)):
            if active is not None and not active[i]:
                continue
            if self.merge and isinstance(op, Linear):
                kernels.append(weight * op.kernel())
            else:
                part = weight * op(x, mask)
                total = part if total is None else total + part
        if kernels:
            merged = conv(x, add_centred(kernels))
            total = merged if total is None else total + merged
        return torch.zeros_like(x) if total is None else total


def add_centred(kernels: Sequence[Tensor]) -> Tensor:
    """Sum of square kernels (C, C, k, k) of odd sizes, the small ones padded to the largest."""
    size = max(kernel.shape[-1] for kernel in kernels)
    padded = [F.pad(k, [(size - k.shape[-1]) // 2] * 4) for k in kernels]
    return torch.stack(padded).sum(0)
