"""A node of the supernet: a mixture of its candidate operations, and exact merging of the linear ones.

Dense, separable and dilated convolutions, average pooling and the identity are linear and translation
invariant, and norm and activation come after the mixture. So their kernels sum into one:
`sum_k p_k conv(x, W_k) = conv(x, sum_k p_k pad(W_k))`, and all linear candidates of a node cost one
convolution. `merge=False` computes the plain sum (Liu et al., 2019, eq. 2) for comparison.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metanas.models.ops import Linear, Mask, conv
from metanas.models.stem import standardised
from metanas.space.candidates import OPS


class MixedOp(nn.Module):
    """Weighted sum of the candidates of one node (Liu et al., 2019, eq. 2).

    With partial > 1 only the first 1 / partial of the channels are mixed and the others pass unchanged; the
    channels are then shuffled, so that the next node mixes others (PC-DARTS, Xu et al., 2020, eq. 1).
    normed: every candidate's output is standardised first, so that weights alone say who contributes how
    much.
    """

    def __init__(
        self,
        ops: Sequence[str],
        channels: int,
        *,
        partial: int = 1,
        merge: bool = True,
        normed: bool = False,
    ) -> None:
        super().__init__()
        self.candidates = nn.ModuleDict({name: OPS[name](channels // partial) for name in ops})
        self.partial = partial
        self.merge = merge and not normed
        self.normed = normed

    def forward(
        self, x: Tensor, weights: Tensor, mask: Mask = None, active: Sequence[bool] | None = None
    ) -> Tensor:
        """x (B, C, H, W), weights (O,), mask (B, 1, H, W) or None, to the shape of x.

        active (O,): which candidates to compute; the others must have weight exactly 0. None: all.
        """
        if self.partial == 1:
            return self._mix(x, weights, mask, active)
        mixed, unmixed = x.tensor_split([x.shape[1] // self.partial], dim=1)
        joined = torch.cat([self._mix(mixed, weights, mask, active), unmixed], dim=1)
        return joined.unflatten(1, (self.partial, -1)).transpose(1, 2).flatten(1, 2)

    def _mix(self, x: Tensor, weights: Tensor, mask: Mask, active: Sequence[bool] | None) -> Tensor:
        kernels, total = [], None
        for i, (weight, op) in enumerate(zip(weights.unbind(), self.candidates.values(), strict=True)):
            if active is not None and not active[i]:
                continue
            if self.merge and isinstance(op, Linear):
                kernels.append(weight * op.kernel())
            else:
                output = op(x, mask)
                output = standardised(output, mask) if self.normed else output
                total = weight * output if total is None else torch.addcmul(total, weight, output)
        if kernels:
            merged = conv(x, _sum_centred(kernels))
            total = merged if total is None else total + merged
        return torch.zeros_like(x) if total is None else total


def _sum_centred(kernels: Sequence[Tensor]) -> Tensor:
    """Sum of square kernels (C, C, k, k) of odd sizes k, zero-padded to the largest."""
    size = max(kernel.shape[-1] for kernel in kernels)
    padded = [F.pad(kernel, [(size - kernel.shape[-1]) // 2] * 4) for kernel in kernels]
    return torch.stack(padded).sum(0)
