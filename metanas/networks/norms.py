"""Normalisation over the batch, as the papers' baselines have it.

`stem.Norm` looks at one example only; here the statistics are those of the batch at hand, without
running means, so predictions depend on the other queries: such rows carry the badge `transductive`.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from metanas.networks.choice import Choice
from metanas.networks.convolve import beside, end_to_end, signed
from metanas.stem import Norm
from metanas.supernet.ops import Mask


class BatchNorm(nn.Module):
    """Per channel over batch and positions that are there (Ioffe and Szegedy, 2015)."""

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.scale = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        if mask is None:
            normalised: Tensor = _Normalise.apply(x, self.scale.flatten(), self.bias.flatten(), self.eps)[0]
            return normalised
        count = mask.sum((0, 2, 3), keepdim=True).clamp_min(1)
        centred = (x - (x * mask).sum((0, 2, 3), keepdim=True) / count) * mask
        variance = centred.square().sum((0, 2, 3), keepdim=True) / count
        x = centred * torch.rsqrt(variance + self.eps)
        return (x * self.scale[:, None, None] + self.bias[:, None, None]) * mask


@signed
class _Normalise(torch.autograd.Function):
    """torch's fused kernel, forward and backward.

    Its own second derivative is thirty passes over the data, and is lost where vmap batches it over tasks
    of shared weights; `_Slope` has it written out.
    """

    @staticmethod
    def forward(x: Tensor, scale: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        return torch.native_batch_norm(x, scale, bias, None, None, True, 0.0, eps)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(*inputs[:2], *output[1:])

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Any:
        return *_Slope.apply(slopes[0], *ctx.saved_tensors), None

    @staticmethod
    def vmap(info: Any, dims: Any, x: Tensor, scale: Tensor, bias: Tensor, eps: float) -> Any:
        return _over_tasks(_Normalise, info.batch_size, dims[:3], (x, scale, bias), eps)


@signed
class _Slope(torch.autograd.Function):
    """Gradients of a normalisation: g (B, C, H, W) to those for x, scale and bias.

    With z = (x - mean) r, r = 1 / deviation and P v = v - mean(v) - z mean(v z), the gradient for x is
    scale r P g; differentiating that once more gives `backward`.
    """

    @staticmethod
    def forward(g: Tensor, x: Tensor, scale: Tensor, mean: Tensor, r: Tensor) -> tuple[Tensor, ...]:
        # eps is in r already
        found: tuple[Tensor, ...] = torch.ops.aten.native_batch_norm_backward(
            g, x, scale, None, None, mean, r, True, 0.0, [True, True, True]
        )
        return found

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Any:
        (u, on_scale, on_bias), (g, x, scale, mean, r) = slopes, ctx.saved_tensors
        scale, mean, r, on_scale, on_bias = (t[:, None, None] for t in (scale, mean, r, on_scale, on_bias))
        z = torch.addcmul(-mean * r, x, r)
        u_mean, g_mean = _mean(u), _mean(g)
        uz, gz = _mean(u * z), _mean(g * z)
        both = _mean(u * g) - u_mean * g_mean - uz * gz  # mean(u P g)
        slope = scale * r
        for_g = _sum(on_bias - slope * u_mean, (u, slope), (z, on_scale - slope * uz))
        on_u, on_g = -slope * r * gz, r * on_scale - slope * r * uz
        on_z = -slope * r * (both - gz * uz) - on_g * gz
        for_x = _sum(-on_u * u_mean - on_g * g_mean, (u, on_u), (g, on_g), (z, on_z))
        for_scale = (r * both).flatten() * (u.numel() // u.shape[1])
        return for_g, for_x, for_scale, None, None

    @staticmethod
    def vmap(info: Any, dims: Any, *inputs: Tensor) -> Any:
        return _over_tasks(_Slope, info.batch_size, dims, inputs)


def _over_tasks(
    function: type[torch.autograd.Function],
    tasks: int,
    dims: Sequence[int | None],
    inputs: Sequence[Tensor],
    *rest: float,
) -> tuple[tuple[Tensor, ...], tuple[int, int, int]]:
    """Tasks are further channels; inputs and outputs are maps (B, C, H, W), then values of a channel (C,)."""
    joined = [
        (beside if t.ndim - (dim is not None) == 4 else end_to_end)(t, dim, tasks)
        for t, dim in zip(inputs, dims, strict=True)
    ]
    y, *values = function.apply(*joined, *rest)
    return (y.unflatten(1, (tasks, -1)), *(t.unflatten(0, (tasks, -1)) for t in values)), (1, 0, 0)


def _sum(constant: Tensor, *products: tuple[Tensor, Tensor]) -> Tensor:
    """constant + the products, in as many passes over the data."""
    for one, other in products:
        constant = torch.addcmul(constant, one, other)
    return constant


def _mean(x: Tensor) -> Tensor:
    return x.mean((0, 2, 3), keepdim=True)


def norm(choice: Choice, channels: int) -> nn.Module:
    """`layer` or `batch`."""
    return BatchNorm(channels, choice.eps) if choice.norm == "batch" else Norm(channels)
