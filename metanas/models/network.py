"""The base class of all networks, their head, and the initialisation of their parameters.

The supernet, the fixed networks and derived architectures are all `Network`s, so a meta-learner treats them
alike. A `Network` holds the structure; its parameters are passed as a `Params` value, which `init` makes.
"""

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from metanas.data.episode import TaskSpec
from metanas.params import Params, Tensors


class Network(nn.Module):
    """A network for tasks of several kinds: `forward(x, arch, spec)` gives logits (B, ways)."""

    def arch(self) -> Tensors:
        """Initial architecture logits by group; empty for a network without architecture choices."""
        return {}

    def init(self, generator: torch.Generator) -> Params:
        """Randomly initialised parameters and initial architecture logits."""
        return Params(init_weights(self, generator), self.arch())

    weights_sha256: str = ""  # of weights that it did not learn here (`models/pretrained.py`)
    shares_gradients: ClassVar[bool] = True  # whether vmap of its gradient can be differentiated again

    def takes_tasks(self, spec: TaskSpec) -> bool:
        """Whether forward can run T tasks at once without vmap, which is faster.

        If so, forward also takes weights (T, ...) with x (B, T C, H, W), whose channels are ordered by task,
        and returns logits (T, B, ways).
        """
        return False

    def forward(self, x: Tensor, arch: Mapping[str, Tensor], spec: TaskSpec, *, head: bool = True) -> Tensor:
        """x (B, *input_shape) to logits (B, ways), or with head=False to features (B, F) for the head."""
        raise NotImplementedError


class Head(nn.Module):
    """Linear classifier: weight (ways, features), bias (ways,)."""

    def __init__(self, features: int, ways: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(ways, features))
        self.bias = nn.Parameter(torch.empty(ways))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, features) to logits (B, ways); with a weight per task, (B, T features) to (T, B, ways)."""
        if self.weight.ndim == 3:
            x = x.unflatten(1, (len(self.weight), -1)).movedim(1, 0)
            return torch.baddbmm(self.bias[:, None], x, self.weight.mT)
        return nn.functional.linear(x, self.weight, self.bias)


def is_head(name: str) -> bool:
    """Whether the parameter of this name belongs to a head, the part that ANIL adapts."""
    return name.startswith("heads.")


def head_name(weights: Tensors, ways: int, features: int) -> str:
    """The name (`heads.<x>`) of the head with this number of ways and features. StopIteration if none."""
    shapes = {name: t.shape[-2:] for name, t in weights.items() if is_head(name) and name.endswith(".weight")}
    return next(name for name, shape in shapes.items() if shape == (ways, features)).removesuffix(".weight")


def stem_name(spec: TaskSpec) -> str:
    """The name of the stem for a spec; specs with the same kind of input share one.

    For example image1, image3, text257, speech, series3, text900-clinc150.
    """
    channels = spec.input_shape[0]
    detail = {"image": channels, "text": spec.vocabulary, "speech": "", "series": channels}[spec.modality]
    return f"{spec.modality}{detail}" + (f"-{spec.lexicon}" if spec.lexicon else "")


def init_weights(net: nn.Module, generator: torch.Generator) -> Tensors:
    """Initial parameters by name, drawn from the generator in the order of `net.named_parameters()`.

    Scales are 1, biases and heads 0, all other parameters normal with variance 1 / fan-in. A zero head
    prefers no class, and one gradient step makes it a nearest-mean classifier, from which adaptation starts
    better than from a random head.
    """
    return {name: _init_tensor(name, p.shape, generator) for name, p in net.named_parameters()}


def _init_tensor(name: str, shape: torch.Size, generator: torch.Generator) -> Tensor:
    kind = name.rpartition(".")[2]
    if kind == "scale":
        return torch.ones(shape)
    if kind.endswith("bias") or is_head(name):
        return torch.zeros(shape)
    fan_in = 1 if kind == "embedding" else math.prod(shape[1:])
    return torch.randn(shape, generator=generator) / math.sqrt(fan_in)


def apply(net: nn.Module, params: Params, x: Tensor, spec: TaskSpec) -> Tensor:
    """Logits (B, ways) of the network with these parameters, for x (B, *input_shape)."""
    logits: Tensor = functional_call(net, params.weights, (x, params.arch, spec))
    return logits


def features(net: nn.Module, params: Params, x: Tensor, spec: TaskSpec) -> Tensor:
    """Features (B, F) that the head reads, for x (B, *input_shape)."""
    output: Tensor = functional_call(net, params.weights, (x, params.arch, spec), {"head": False})
    return output
