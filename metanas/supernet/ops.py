"""The candidate operations of a node: CNN, pooling, RNN, attention, fully connected, skip, none.

An op is a factory `channels -> module`; the module maps features (B, C, H, W) and a mask (B, 1, H, W),
1 where there is something and None where there is no padding, to features of the same shape. Features
are 0 at padded positions when an op sees them, and the caller zeroes them again afterwards.

An op that is a linear, translation-invariant map is a `Linear`: its `kernel()` is the convolution it
equals, by which `mixed.py` merges all such candidates of a node into one convolution.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metanas.kinds import OPS
from metanas.supernet.cells import GruCell, LstmCell
from metanas.supernet.recurrent import Recurrent

Mask = Tensor | None
Op = Callable[[int], nn.Module]


def conv(x: Tensor, kernel: Tensor, *, stride: int = 1, dilation: int = 1, groups: int = 1) -> Tensor:
    """Padded convolution; a one-row input (text) meets only the middle row of a square kernel."""
    size = kernel.shape[-1]
    pad = dilation * (size // 2)
    if x.shape[-2] == 1:
        row = kernel[..., size // 2 : size // 2 + 1, :]
        return F.conv2d(x, row, None, (1, stride), (0, pad), (1, dilation), groups)
    return F.conv2d(x, kernel, None, stride, pad, dilation, groups)


class Linear(nn.Module):
    """A linear, translation-invariant op: equal to one convolution with `kernel()` (C, C, k, k)."""

    def kernel(self) -> Tensor:
        raise NotImplementedError


class Conv(Linear):
    """Dense k x k convolution without bias (a norm follows every mixture)."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, channels, size, size))

    def kernel(self) -> Tensor:
        return self.weight

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        return conv(x, self.weight)


class SepConv(Linear):
    """Depthwise k x k, then pointwise; linear throughout, unlike DARTS' (which has a ReLU in front)."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.depth_weight = nn.Parameter(torch.empty(channels, 1, size, size))
        self.point_weight = nn.Parameter(torch.empty(channels, channels))

    def kernel(self) -> Tensor:
        return self.point_weight[:, :, None, None] * self.depth_weight[:, 0]

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        return conv(conv(x, self.depth_weight, groups=x.shape[1]), self.point_weight[:, :, None, None])


class DilConv(Linear):
    """Dense 3 x 3 convolution with dilation 2 (a 5 x 5 kernel with holes)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, channels, 3, 3))

    def kernel(self) -> Tensor:
        rows = self.weight.new_zeros(5, 3)
        rows[[0, 2, 4], [0, 1, 2]] = 1
        return rows @ self.weight @ rows.T

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        return conv(x, self.weight, dilation=2)


class AvgPool(Linear):
    """k x k mean, the border counted as zeros, so that it is a convolution."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("_sum", torch.eye(channels)[:, :, None, None].repeat(1, 1, size, size))

    def kernel(self) -> Tensor:
        return self.get_buffer("_sum") / self.size**2  # here, in the precision at hand

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        return F.avg_pool2d(x, self.size, stride=1, padding=self.size // 2)


class Skip(Linear):
    """The input itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("_kernel", torch.eye(channels)[:, :, None, None])

    def kernel(self) -> Tensor:
        return self.get_buffer("_kernel")

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        return x


class Nothing(nn.Module):
    """Zeros: the node is left out."""

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        return torch.zeros_like(x)


class MaxPool(nn.Module):
    """k x k maximum over what is there; padding and border never win."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        if mask is None:
            return F.max_pool2d(x, self.size, stride=1, padding=self.size // 2)
        away = mask == 0
        x = x.masked_fill(away, torch.finfo(x.dtype).min)
        return F.max_pool2d(x, self.size, stride=1, padding=self.size // 2).masked_fill(away, 0)


class Attention(nn.Module):
    """Multi-head self-attention over all positions, with sinusoidal row and column positions."""

    def __init__(self, channels: int, heads: int = 2) -> None:
        super().__init__()
        if channels % heads or channels % 4:
            raise ValueError(f"attention needs channels divisible by 4 and by {heads} heads, got {channels}")
        self.heads = heads
        self.in_weight = nn.Parameter(torch.empty(3 * channels, channels))
        self.out_weight = nn.Parameter(torch.empty(channels, channels))

    def macs(self, height: int, width: int) -> int:
        """Projections at every position, and scores and mixing over all pairs of positions."""
        positions, channels = height * width, self.out_weight.shape[0]
        return 4 * channels * channels * positions + 2 * channels * positions**2

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        batch, channels, height, width = x.shape
        tokens = (x + positions(x)).flatten(2).transpose(1, 2)  # (B, S, C)
        heads = F.linear(tokens, self.in_weight).unflatten(-1, (3, self.heads, -1))  # (B, S, 3, heads, c)
        q, k, v = heads.permute(2, 0, 3, 1, 4).unbind(0)  # (B, heads, S, c)
        scores = (q / math.sqrt(channels // self.heads)) @ k.transpose(-1, -2)
        if mask is not None:
            away = mask.flatten(1)[:, None, None, :] == 0
            scores = scores.masked_fill(away, torch.finfo(scores.dtype).min)
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        return F.linear(mixed, self.out_weight).transpose(1, 2).reshape(batch, channels, height, width)


def positions(x: Tensor) -> Tensor:
    """Sinusoids (Vaswani et al., 2017, sec. 3.5), half the channels for rows, half for columns: (C, H, W)."""
    channels, height, width = x.shape[-3:]
    rates = 100.0 ** (-torch.arange(channels // 4, dtype=x.dtype, device=x.device) / (channels // 4))

    def code(length: int) -> Tensor:  # (C / 2, length)
        angles = rates[:, None] * torch.arange(length, dtype=x.dtype, device=x.device)
        return torch.cat([angles.sin(), angles.cos()])

    rows = code(height)[:, :, None].expand(-1, -1, width)
    columns = code(width)[:, None, :].expand(-1, height, -1)
    return torch.cat([rows, columns])


class FullyConnected(nn.Module):
    """A two-layer perceptron applied at every position."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.in_weight = nn.Parameter(torch.empty(hidden, channels))
        self.bias = nn.Parameter(torch.empty(hidden))
        self.out_weight = nn.Parameter(torch.empty(channels, hidden))

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        hidden = F.conv2d(x, self.in_weight[:, :, None, None], self.bias).relu()
        return F.conv2d(hidden, self.out_weight[:, :, None, None])


class Narrow(nn.Module):
    """An op of fewer channels between two linear maps: its hidden width."""

    def __init__(self, channels: int, inner: nn.Module, hidden: int) -> None:
        super().__init__()
        self.in_weight = nn.Parameter(torch.empty(hidden, channels))
        self.inner = inner
        self.out_weight = nn.Parameter(torch.empty(channels, hidden))

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        hidden = self.inner(F.conv2d(x, self.in_weight[:, :, None, None]), mask)
        return F.conv2d(hidden, self.out_weight[:, :, None, None])


class FullyConnectedGlobal(nn.Module):
    """One fully connected layer on the mean over all positions, given to every position."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, channels))

    def macs(self, height: int, width: int) -> int:
        """Once, whatever the size."""
        return self.weight.numel()

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        return F.linear(pool(x, mask), self.weight)[:, :, None, None].expand_as(x)


def pool(x: Tensor, mask: Mask) -> Tensor:
    """Mean over the positions that are there: (B, C, H, W) -> (B, C)."""
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
