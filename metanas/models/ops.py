"""The candidate operations of a node, from convolution to self-attention, as registered factories.

An op is a factory `channels -> module`. The module maps features (B, C, H, W) and a mask (B, 1, H, W) to
features of the same shape. The mask is 1 at real positions and 0 at padding; None means no padding. Features
are 0 at padded positions when an op reads them; the caller sets them to 0 again afterwards.

A linear, translation-invariant op is a `Linear`: its `kernel()` is the equivalent convolution, with which
`mixed.py` merges all such candidates of a node into one.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metanas.base.errors import InvalidValue
from metanas.models import convolution, unfolded
from metanas.models.rnn import Recurrent
from metanas.models.rnn_scan import GruCell, LstmCell
from metanas.space.candidates import OPS

Mask = Tensor | None
LARGEST_TABLE = 1024  # rows of an embedding that CUDA looks up by a matrix product


def conv(x: Tensor, kernel: Tensor, *, stride: int = 1, dilation: int = 1, groups: int = 1) -> Tensor:
    """Padded convolution: x (B, C, H, W), kernel (O, C / groups, k, k) to (B, O, H / stride, W / stride).

    A map of one row (text) uses only the middle row of the kernel. On CUDA, kernels of several tasks go the
    way that is faster there (`unfolded.py`).
    """
    if groups == 1 and unfolded.applies(kernel) and torch._C._functorch.is_batchedtensor(kernel):
        return convolution.conv(x, kernel, stride=stride, dilation=dilation)
    size = kernel.shape[-1]
    pad = dilation * (size // 2)
    if x.shape[-2] == 1:
        row = kernel[..., size // 2 : size // 2 + 1, :]
        return F.conv2d(x, row, None, (1, stride), (0, pad), (1, dilation), groups)
    return F.conv2d(x, kernel, None, stride, pad, dilation, groups)


def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """1 x 1 convolution: x (B, C, H, W), weight (O, C), bias (O,), to (B, O, H, W)."""
    if not unfolded.applies(x):
        return F.conv2d(x, weight[:, :, None, None], bias)
    y = conv(x, weight[:, :, None, None])
    return y if bias is None else y + bias[:, None, None]


def lookup(ids: Tensor, table: Tensor) -> Tensor:
    """Rows of the table (V, C) by ids (...): (..., C).

    On CUDA, of a small table as a matrix product: its gradient reads no number back and is deterministic.
    """
    if not unfolded.applies(table) or len(table) > LARGEST_TABLE:
        return F.embedding(ids, table)
    return (ids[..., None] == torch.arange(len(table), device=ids.device)).to(table.dtype) @ table


class Linear(nn.Module):
    """Base class of linear, translation-invariant ops, each equal to one convolution with `kernel()`."""

    def kernel(self) -> Tensor:
        """The kernel (C, C, k, k) of the equivalent convolution, k odd; differentiable."""
        raise NotImplementedError


class Conv(Linear):
    """Dense k x k convolution without bias (a norm follows every mixture)."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, channels, size, size))

    def kernel(self) -> Tensor:
        """The weight itself (C, C, k, k)."""
        return self.weight

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        """x (B, C, H, W) to the same shape."""
        return conv(x, self.weight)


class SepConv(Linear):
    """Depthwise k x k, then pointwise convolution; without the ReLU that DARTS puts before them."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.depth_weight = nn.Parameter(torch.empty(channels, 1, size, size))
        self.point_weight = nn.Parameter(torch.empty(channels, channels))

    def kernel(self) -> Tensor:
        """The product of the pointwise and depthwise weights (C, C, k, k)."""
        return self.point_weight[:, :, None, None] * self.depth_weight[:, 0]

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        """x (B, C, H, W) to the same shape."""
        return conv(conv(x, self.depth_weight, groups=x.shape[1]), self.point_weight[:, :, None, None])


class DilConv(Linear):
    """Dense 3 x 3 convolution with dilation 2 (a 5 x 5 kernel with holes)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, channels, 3, 3))
        self.register_buffer("_spread", torch.eye(5)[:, ::2].contiguous())

    def kernel(self) -> Tensor:
        """The weight spread over a 5 x 5 kernel (C, C, 5, 5), with zeros between."""
        spread = self.get_buffer("_spread")
        return spread @ self.weight @ spread.T

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        """x (B, C, H, W) to the same shape."""
        return conv(x, self.weight, dilation=2)


class AvgPool(Linear):
    """k x k mean with zeros beyond the border, so that it equals a convolution."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("_sum", torch.eye(channels)[:, :, None, None].repeat(1, 1, size, size))

    def kernel(self) -> Tensor:
        """1 / k^2 on the diagonal of channels (C, C, k, k)."""
        return self.get_buffer("_sum") / self.size**2  # divided here, in the current precision

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        """x (B, C, H, W) to the same shape."""
        return F.avg_pool2d(x, self.size, stride=1, padding=self.size // 2)


class Skip(Linear):
    """The input itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("_kernel", torch.eye(channels)[:, :, None, None])

    def kernel(self) -> Tensor:
        """The identity (C, C, 1, 1)."""
        return self.get_buffer("_kernel")

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        """x (B, C, H, W), unchanged."""
        return x


class Nothing(nn.Module):
    """The op `none`: zeros."""

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        """x (B, C, H, W) to zeros of the same shape."""
        return torch.zeros_like(x)


class MaxPool(nn.Module):
    """k x k maximum over unpadded positions inside the map."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        """x (B, C, H, W), mask (B, 1, H, W) or None, to the same shape; 0 at padded positions."""
        if mask is None:
            return F.max_pool2d(x, self.size, stride=1, padding=self.size // 2)
        padded = mask == 0
        x = x.masked_fill(padded, torch.finfo(x.dtype).min)
        return F.max_pool2d(x, self.size, stride=1, padding=self.size // 2).masked_fill(padded, 0)


class Attention(nn.Module):
    """Multi-head self-attention over all positions, with sinusoidal encodings of row and column.

    InvalidValue unless `channels` is divisible by 4 and by `heads`.
    """

    def __init__(self, channels: int, heads: int = 2) -> None:
        super().__init__()
        if channels % heads or channels % 4:
            raise InvalidValue(
                f"attention needs channels divisible by 4 and by {heads} heads, got {channels}"
            )
        self.heads = heads
        self.in_weight = nn.Parameter(torch.empty(3 * channels, channels))
        self.out_weight = nn.Parameter(torch.empty(channels, channels))

    def macs(self, height: int, width: int) -> int:
        """MACs per example: projections at every position, scores and mixing over all pairs of positions."""
        positions, channels = height * width, self.out_weight.shape[0]
        return 4 * channels * channels * positions + 2 * channels * positions**2

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        """x (B, C, H, W), mask (B, 1, H, W) or None, to the same shape; padding gets no attention."""
        batch, channels, height, width = x.shape
        tokens = (x + positions(x)).flatten(2).transpose(1, 2)  # (B, S, C)
        heads = F.linear(tokens, self.in_weight).unflatten(-1, (3, self.heads, -1))  # (B, S, 3, heads, c)
        q, k, v = heads.permute(2, 0, 3, 1, 4).unbind(0)  # (B, heads, S, c)
        scores = (q / math.sqrt(channels // self.heads)) @ k.transpose(-1, -2)
        if mask is not None:
            padded = mask.flatten(1)[:, None, None, :] == 0
            scores = scores.masked_fill(padded, torch.finfo(scores.dtype).min)
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        return F.linear(mixed, self.out_weight).transpose(1, 2).reshape(batch, channels, height, width)


def positions(x: Tensor) -> Tensor:
    """Sinusoidal position encodings (C, H, W) for x (B, C, H, W) (Vaswani et al., 2017, sec. 3.5).

    Half of the channels encode the row, half the column.
    """
    channels, height, width = x.shape[-3:]
    frequencies = 100.0 ** (-torch.arange(channels // 4, dtype=x.dtype, device=x.device) / (channels // 4))

    def sinusoids(length: int) -> Tensor:  # (C / 2, length)
        angles = frequencies[:, None] * torch.arange(length, dtype=x.dtype, device=x.device)
        return torch.cat([angles.sin(), angles.cos()])

    rows = sinusoids(height)[:, :, None].expand(-1, -1, width)
    columns = sinusoids(width)[:, None, :].expand(-1, height, -1)
    return torch.cat([rows, columns])


class FullyConnected(nn.Module):
    """A two-layer perceptron applied at every position."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.in_weight = nn.Parameter(torch.empty(hidden, channels))
        self.bias = nn.Parameter(torch.empty(hidden))
        self.out_weight = nn.Parameter(torch.empty(channels, hidden))

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        """x (B, C, H, W) to the same shape."""
        hidden = pointwise(x, self.in_weight, self.bias).relu()
        return pointwise(hidden, self.out_weight)


class Narrow(nn.Module):
    """An op with `hidden` channels between two 1x1 convolutions, from `channels` and back."""

    def __init__(self, channels: int, inner: nn.Module, hidden: int) -> None:
        super().__init__()
        self.in_weight = nn.Parameter(torch.empty(hidden, channels))
        self.inner = inner
        self.out_weight = nn.Parameter(torch.empty(channels, hidden))

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        """x (B, C, H, W), mask (B, 1, H, W) or None, to the same shape."""
        hidden = self.inner(pointwise(x, self.in_weight), mask)
        return pointwise(hidden, self.out_weight)


class FullyConnectedGlobal(nn.Module):
    """One fully connected layer on the mean over all positions, its output repeated at every position."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, channels))

    def macs(self, height: int, width: int) -> int:
        """MACs per example: one matrix-vector product, whatever the size of the map."""
        return self.weight.numel()

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        """x (B, C, H, W), mask (B, 1, H, W) or None, to the same shape."""
        return F.linear(pool(x, mask), self.weight)[:, :, None, None].expand_as(x)


def adaptive_mean(x: Tensor, rows: int, columns: int) -> Tensor:
    """Adaptive average pooling, x (..., H, W) to (..., rows, columns); with deterministic gradients."""
    if x.device.type == "cpu":
        return F.adaptive_avg_pool2d(x, (rows, columns))
    return _shares(x.shape[-2], rows, x) @ x @ _shares(x.shape[-1], columns, x).T


def _shares(size: int, cells: int, like: Tensor) -> Tensor:
    """The share (cells, size) of every position in the mean of every cell."""
    cell = torch.arange(cells, device=like.device)[:, None]
    start = (cell * size).div(cells, rounding_mode="floor")
    end = ((cell + 1) * size + cells - 1).div(cells, rounding_mode="floor")
    position = torch.arange(size, device=like.device)
    return ((position >= start) & (position < end)).to(like.dtype) / (end - start)


def pool(x: Tensor, mask: Mask) -> Tensor:
    """Mean over the unpadded positions: x (B, C, H, W), mask (B, 1, H, W) or None, to (B, C)."""
    if mask is None:
        return x.mean((-2, -1))
    return (x * mask).sum((-2, -1)) / mask.sum((-2, -1)).clamp_min(1)


@OPS.register("conv1")
def conv1(channels: int) -> nn.Module:
    """1x1 convolution."""
    return Conv(channels, 1)


@OPS.register("conv3")
def conv3(channels: int) -> nn.Module:
    """3x3 convolution."""
    return Conv(channels, 3)


@OPS.register("conv5")
def conv5(channels: int) -> nn.Module:
    """5x5 convolution."""
    return Conv(channels, 5)


@OPS.register("sepconv3")
def sepconv3(channels: int) -> nn.Module:
    """3x3 depthwise-separable convolution."""
    return SepConv(channels, 3)


@OPS.register("sepconv5")
def sepconv5(channels: int) -> nn.Module:
    """5x5 depthwise-separable convolution."""
    return SepConv(channels, 5)


@OPS.register("dilconv3")
def dilconv3(channels: int) -> nn.Module:
    """3x3 convolution with dilation 2."""
    return DilConv(channels)


@OPS.register("maxpool3")
def maxpool3(channels: int) -> nn.Module:
    """3x3 maximum pooling."""
    return MaxPool(3)


@OPS.register("maxpool5")
def maxpool5(channels: int) -> nn.Module:
    """5x5 maximum pooling."""
    return MaxPool(5)


@OPS.register("avgpool3")
def avgpool3(channels: int) -> nn.Module:
    """3x3 average pooling."""
    return AvgPool(channels, 3)


@OPS.register("avgpool5")
def avgpool5(channels: int) -> nn.Module:
    """5x5 average pooling."""
    return AvgPool(channels, 5)


@OPS.register("gru")
def gru(channels: int) -> nn.Module:
    """Gated recurrent unit over the row-major sequence."""
    return Recurrent(channels, GruCell)


@OPS.register("gru-half")
def gru_half(channels: int) -> nn.Module:
    """Gated recurrent unit of half the width."""
    return Narrow(channels, Recurrent(channels // 2, GruCell), channels // 2)


@OPS.register("lstm")
def lstm(channels: int) -> nn.Module:
    """Long short-term memory over the row-major sequence."""
    return Recurrent(channels, LstmCell)


@OPS.register("lstm-half")
def lstm_half(channels: int) -> nn.Module:
    """Long short-term memory of half the width."""
    return Narrow(channels, Recurrent(channels // 2, LstmCell), channels // 2)


@OPS.register("attn")
def attn(channels: int) -> nn.Module:
    """Self-attention of two heads, with sinusoidal positions."""
    return Attention(channels)


@OPS.register("attn1")
def attn1(channels: int) -> nn.Module:
    """Self-attention of one head."""
    return Attention(channels, heads=1)


@OPS.register("attn4")
def attn4(channels: int) -> nn.Module:
    """Self-attention of four heads."""
    return Attention(channels, heads=4)


@OPS.register("fc")
def fc(channels: int) -> nn.Module:
    """Position-wise two-layer perceptron."""
    return FullyConnected(channels, channels)


@OPS.register("fc-wide")
def fc_wide(channels: int) -> nn.Module:
    """Position-wise perceptron of twice the hidden width."""
    return FullyConnected(channels, 2 * channels)


@OPS.register("fc-global")
def fc_global(channels: int) -> nn.Module:
    """Fully connected layer on the global mean."""
    return FullyConnectedGlobal(channels)


@OPS.register("skip")
def skip(channels: int) -> nn.Module:
    """Identity."""
    return Skip(channels)


@OPS.register("none")
def none(channels: int) -> nn.Module:
    """Nothing (zeros)."""
    return Nothing()
