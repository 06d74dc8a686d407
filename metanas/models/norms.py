"""Batch normalisation for the fixed networks, with a double backward that works under vmap.

Statistics are those of the current batch, without running means, so a prediction depends on the other
queries: results carry the badge `transductive`. `stem.Norm` normalises each example by itself instead.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from metanas.models.convolution import cache_signature, tasks_to_channels, tasks_to_vector
from metanas.models.ops import Mask
from metanas.models.stem import Norm
from metanas.space.network_config import NetworkConfig


class BatchNorm(nn.Module):
    """Normalisation per channel over the batch and all unpadded positions (Ioffe and Szegedy, 2015)."""

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.scale = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        """x (B, C, H, W), mask (B, 1, H, W) or None, to the shape of x; padded positions become 0."""
        if mask is None:
            normalised: Tensor = _Normalise.apply(x, self.scale.flatten(), self.bias.flatten(), self.eps)[0]
            return normalised
        count = mask.sum((0, 2, 3), keepdim=True).clamp_min(1)
        centred = (x - (x * mask).sum((0, 2, 3), keepdim=True) / count) * mask
        variance = centred.square().sum((0, 2, 3), keepdim=True) / count
        x = centred * torch.rsqrt(variance + self.eps)
        return (x * self.scale[:, None, None] + self.bias[:, None, None]) * mask


@cache_signature
class _Normalise(torch.autograd.Function):
    """Batch normalisation by torch's fused kernels, forward and backward.

    torch's second derivative of them takes thirty passes over the data, and is lost where vmap batches it
    over tasks with shared weights; `_NormaliseGradient` computes it explicitly.
    """

    @staticmethod
    def forward(x: Tensor, scale: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        return torch.native_batch_norm(x, scale, bias, None, None, True, 0.0, eps)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(*inputs[:2], *output[1:])

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> Any:
        return *_NormaliseGradient.apply(cotangents[0], *ctx.saved_tensors), None

    @staticmethod
    def vmap(info: Any, dims: Any, x: Tensor, scale: Tensor, bias: Tensor, eps: float) -> Any:
        return _over_tasks(_Normalise, info.batch_size, dims[:3], (x, scale, bias), eps)


@cache_signature
class _NormaliseGradient(torch.autograd.Function):
    """Gradients of batch normalisation for x, scale and bias, from the output gradient g (B, C, H, W).

    With r = 1 / sqrt(variance + eps), z = (x - mean) r and P v = v - mean(v) - z mean(v z), the gradient for
    x is scale r P g. `backward` differentiates this; u, d_scale, d_bias are the three gradients' cotangents.
    """

    @staticmethod
    def forward(g: Tensor, x: Tensor, scale: Tensor, mean: Tensor, r: Tensor) -> tuple[Tensor, ...]:
        # r contains eps
        gradients: tuple[Tensor, ...] = torch.ops.aten.native_batch_norm_backward(
            g, x, scale, None, None, mean, r, True, 0.0, [True, True, True]
        )
        return gradients

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> Any:
        (u, d_scale, d_bias), (g, x, scale, mean, r) = cotangents, ctx.saved_tensors
        scale, mean, r, d_scale, d_bias = (t[:, None, None] for t in (scale, mean, r, d_scale, d_bias))
        z = torch.addcmul(-mean * r, x, r)
        u_mean, g_mean = _mean(u), _mean(g)
        uz, gz = _mean(u * z), _mean(g * z)
        u_pg = _mean(u * g) - u_mean * g_mean - uz * gz  # mean(u P g)
        factor = scale * r
        grad_g = _add_products(d_bias - factor * u_mean, (u, factor), (z, d_scale - factor * uz))
        u_coef, g_coef = -factor * r * gz, r * d_scale - factor * r * uz
        z_coef = -factor * r * (u_pg - gz * uz) - g_coef * gz
        grad_x = _add_products(-u_coef * u_mean - g_coef * g_mean, (u, u_coef), (g, g_coef), (z, z_coef))
        grad_scale = (r * u_pg).flatten() * (u.numel() // u.shape[1])
        return grad_g, grad_x, grad_scale, None, None

    @staticmethod
    def vmap(info: Any, dims: Any, *inputs: Tensor) -> Any:
        return _over_tasks(_NormaliseGradient, info.batch_size, dims, inputs)


def _over_tasks(
    function: type[torch.autograd.Function],
    tasks: int,
    dims: Sequence[int | None],
    inputs: Sequence[Tensor],
    *rest: float,
) -> tuple[tuple[Tensor, ...], tuple[int, int, int]]:
    """vmap over tasks, as T C channels. Inputs and outputs are maps (B, C, H, W) first, then vectors (C,)."""
    joined = [
        (tasks_to_channels if t.ndim - (dim is not None) == 4 else tasks_to_vector)(t, dim, tasks)
        for t, dim in zip(inputs, dims, strict=True)
    ]
    y, *vectors = function.apply(*joined, *rest)
    return (y.unflatten(1, (tasks, -1)), *(t.unflatten(0, (tasks, -1)) for t in vectors)), (1, 0, 0)


def _add_products(total: Tensor, *products: tuple[Tensor, Tensor]) -> Tensor:
    """total plus the products a * b, one pass over the data for each."""
    for a, b in products:
        total = torch.addcmul(total, a, b)
    return total


def _mean(x: Tensor) -> Tensor:
    return x.mean((0, 2, 3), keepdim=True)


def norm(config: NetworkConfig, channels: int) -> nn.Module:
    """The normalisation layer that `config.norm` names: `batch`, or `layer` (`stem.Norm`)."""
    return BatchNorm(channels, config.eps) if config.norm == "batch" else Norm(channels)
