"""What an architecture costs: multiply-accumulates of one example, and parameters.

Convention: a MAC is one multiply-accumulate of a convolution or a matrix product (half a FLOP as
torch.utils.flop_counter counts, which has the same convention). Norms, activations, pooling, the elementwise
parts of gated cells and table look-ups are not counted. Padding is: every example costs what its shape costs.
"""

from collections.abc import Sequence
from functools import cache
from math import prod
from typing import Protocol, runtime_checkable

import torch
from torch import nn

from metanas.episode import Modality, TaskSpec
from metanas.kinds import OPS
from metanas.stem import HALVINGS
from metanas.supernet.architecture import Architecture
from metanas.supernet.network import CELLS

Size = tuple[int, int]  # rows and columns of a feature map


@runtime_checkable
class Counted(Protocol):
    """An op whose weights are not used exactly once at every position says what it costs."""

    def macs(self, height: int, width: int) -> int:
        """Of one example."""
        ...


def macs(architecture: Architecture, input_shape: Sequence[int], ways: int) -> int:
    """Of one example of that shape: (channels, H, W) image, (bands, frames) speech, (tokens,) text."""
    spec = spec_of(input_shape, ways)
    total, size = stem_macs(spec, architecture.channels)
    for layer, chosen in enumerate(architecture.layers):
        ops = [edge.op for edges in chosen.graph for edge in edges]
        total += sum(op_macs(op, architecture.channels, *size) for op in ops)
        if layer in architecture.reductions:
            size = halved(size)
    return total + exit_macs(spec, architecture.channels, size) + head_macs(spec, architecture.channels)


def parameters(architecture: Architecture) -> int:
    """Numbers in the layers, their norms and the exit."""
    c = architecture.channels
    ops = [edge.op for layer in architecture.layers for edges in layer.graph for edge in edges]
    norms = sum(len(layer.graph) for layer in architecture.layers)
    return sum(op_parameters(op, c) for op in ops) + 2 * c * norms + exit_parameters(c)


def spec_of(input_shape: Sequence[int], ways: int) -> TaskSpec:
    """The kind of input a shape is of. ValueError for four dimensions or none."""
    kinds: dict[int, Modality] = {1: "text", 2: "speech", 3: "image"}
    if len(input_shape) not in kinds:
        raise ValueError(
            f"an input shape is (channels, H, W), (bands, frames) or (tokens,), got {tuple(input_shape)}"
        )
    return TaskSpec("", kinds[len(input_shape)], tuple(input_shape), ways, vocabulary=1)


@cache
def op_macs(op: str, channels: int, height: int, width: int) -> int:
    """Of one op on a feature map: what its `macs` says, else each weight once at every position.

    On one row a square kernel's middle row alone is used.
    """
    module = _module(op, channels)
    if isinstance(module, Counted):
        return module.macs(height, width)
    taps = [
        prod(p.shape[:-2]) * p.shape[-1] if p.dim() == 4 and height == 1 else p.numel()
        for p in module.parameters()
        if p.dim() > 1
    ]
    return sum(taps) * height * width


@cache
def op_parameters(op: str, channels: int) -> int:
    """Numbers an op learns."""
    return sum(p.numel() for p in _module(op, channels).parameters())


def exit_parameters(channels: int) -> int:
    """An exit's scale and bias."""
    return 2 * CELLS * channels


def stem_macs(spec: TaskSpec, channels: int) -> tuple[int, Size]:
    """Of the stem, and the feature map it leaves."""
    inputs = {"image": spec.input_shape[0], "text": channels, "speech": 1}[spec.modality]
    size = (1, spec.input_shape[0]) if spec.modality == "text" else spec.input_shape[-2:]
    total = 0
    for _ in range(HALVINGS[spec.modality]):
        size = halved((size[0], size[1]))
        total += channels * inputs * (3 if spec.modality == "text" else 9) * prod(size)
        inputs = channels
    return total, (size[0], size[1])


def exit_macs(spec: TaskSpec, channels: int, size: Size) -> int:
    """Of the mean over cells, a matrix product where there may be padding."""
    if spec.modality == "image":
        return 0
    return channels * CELLS * size[1]


def head_macs(spec: TaskSpec, channels: int) -> int:
    """Of the classifier."""
    return spec.ways * CELLS * channels


def halved(size: Size) -> Size:
    """Both sides halved, rounded up; one row stays one row."""
    return -(-size[0] // 2), -(-size[1] // 2)


@cache
def _module(op: str, channels: int) -> nn.Module:
    with torch.device("meta"):
        return OPS[op](channels)
