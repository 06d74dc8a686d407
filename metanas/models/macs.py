"""The cost of an architecture: multiply-accumulates (MACs) per example, and parameters.

A MAC is one multiply-accumulate of a convolution or a matrix product, half a FLOP as
torch.utils.flop_counter counts them. Norms, activations, pooling, the element-wise parts of gated cells and
table look-ups are not counted. Padding is counted: every example costs what its input shape costs.
`metanas/search/cost.py` uses the per-op counts for the expected cost of a mixture.
"""

from collections.abc import Sequence
from functools import cache
from math import prod
from typing import Protocol, runtime_checkable

import torch
from torch import nn

from metanas.base.errors import InvalidValue
from metanas.data.episode import Modality, TaskSpec
from metanas.space.architecture import Architecture
from metanas.space.candidates import OPS
from metanas.space.sizes import exit_macs, exit_parameters, halved, head_macs, stem_macs


@runtime_checkable
class _Counted(Protocol):
    """An op that counts its own MACs, because its weights are not used exactly once at every position."""

    def macs(self, height: int, width: int) -> int:
        """MACs for one feature map of height x width."""
        ...


def macs(architecture: Architecture, tasks: TaskSpec | Sequence[int], ways: int = 5) -> int:
    """MACs of one example of the tasks.

    tasks: their spec, or the shape of their inputs, with `ways`: (channels, H, W) image, (bands, frames)
    speech, (tokens,) text; of series always the spec. InvalidValue for another number of dimensions.
    """
    spec = tasks if isinstance(tasks, TaskSpec) else spec_of(tasks, ways)
    total, size = stem_macs(spec, architecture)
    for index, layer in enumerate(architecture.layers):
        ops = [edge.op for edges in layer.graph for edge in edges]
        total += sum(op_macs(op, architecture.channels, *size) for op in ops)
        if index in architecture.reductions:
            size = halved(size)
    return total + exit_macs(spec, architecture.channels, size) + head_macs(spec, architecture.channels)


def parameters(architecture: Architecture) -> int:
    """Number of parameters in the layers, their norms and the exit; stem and head are left out."""
    channels = architecture.channels
    ops = [edge.op for layer in architecture.layers for edges in layer.graph for edge in edges]
    norms = sum(len(layer.graph) for layer in architecture.layers)
    return sum(op_parameters(op, channels) for op in ops) + 2 * channels * norms + exit_parameters(channels)


def spec_of(input_shape: Sequence[int], ways: int) -> TaskSpec:
    """A spec for inputs of this shape, never of series. InvalidValue unless it has 1 to 3 dimensions."""
    kinds: dict[int, Modality] = {1: "text", 2: "speech", 3: "image"}
    if len(input_shape) not in kinds:
        raise InvalidValue(
            f"an input shape is (channels, H, W), (bands, frames) or (tokens,), got {tuple(input_shape)}"
        )
    return TaskSpec("", kinds[len(input_shape)], tuple(input_shape), ways, vocabulary=1)


@cache
def op_macs(op: str, channels: int, height: int, width: int) -> int:
    """MACs of one op on a feature map: its own `macs` if it has one, else each weight once at every position.

    On a map of one row only the middle row of a square kernel counts.
    """
    module = _module(op, channels)
    if isinstance(module, _Counted):
        return module.macs(height, width)
    taps = [
        prod(p.shape[:-2]) * p.shape[-1] if p.dim() == 4 and height == 1 else p.numel()
        for p in module.parameters()
        if p.dim() > 1
    ]
    return sum(taps) * height * width


@cache
def op_parameters(op: str, channels: int) -> int:
    """Number of parameters of an op."""
    return sum(p.numel() for p in _module(op, channels).parameters())


@cache
def _module(op: str, channels: int) -> nn.Module:
    with torch.device("meta"):
        return OPS[op](channels)
