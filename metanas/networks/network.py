"""What every network here is: structure that numbers flow through, for tasks of several kinds.

The supernet, the fixed networks of this folder and a derived architecture are all `Network`s, so a
meta-learner does not know which of them it trains. Numbers travel as `Params` (`init` makes them).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.func import functional_call

from metanas.episode import TaskSpec
from metanas.params import Params, Tensors

if TYPE_CHECKING:
    from metanas.networks.choice import Choice

    Builder = Callable[[Sequence[TaskSpec], Choice], "Network"]


class Network(nn.Module):
    """forward(x, arch, spec) gives logits (B, ways); with head=False the features the head reads."""

    def arch(self) -> Tensors:
        """Uniform architecture logits; empty for a fixed network."""
        return {}

    def init(self, generator: torch.Generator) -> Params:
        """Fresh numbers, a pure function of the generator's state."""
        return Params(init_weights(self, generator), self.arch())

    def takes_tasks(self, spec: TaskSpec) -> bool:
        """Whether forward also runs T tasks side by side, without the price of vmap.

        Then weights are (T, ...), x has the tasks' channels beside each other (B, T C, H, W), and logits
        are (T, B, ways).
        """
        return False

    def forward(self, x: Tensor, arch: Mapping[str, Tensor], spec: TaskSpec, *, head: bool = True) -> Tensor:
        """x (B, *input_shape) to logits (B, ways), or without the head to features (B, F)."""
        raise NotImplementedError


class Head(nn.Module):
    """Linear classifier (B, features) -> (B, ways); T tasks' own, (B, T features) -> (T, B, ways)."""

    def __init__(self, features: int, ways: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(ways, features))
        self.bias = nn.Parameter(torch.empty(ways))

    def forward(self, x: Tensor) -> Tensor:
        if self.weight.ndim == 3:
            x = x.unflatten(1, (len(self.weight), -1)).movedim(1, 0)
            return torch.baddbmm(self.bias[:, None], x, self.weight.mT)
        return nn.functional.linear(x, self.weight, self.bias)


def is_head(name: str) -> bool:
    """Whether a weight of that name belongs to a classifier, the part that ANIL adapts."""
    return name.startswith("heads.")


def head_name(weights: Tensors, ways: int, features: int) -> str:
    """The classifier (`heads.x`) of so many ways on so many features."""
    shapes = {name: t.shape[-2:] for name, t in weights.items() if is_head(name) and name.endswith(".weight")}
    return next(n for n, shape in shapes.items() if shape == (ways, features)).removesuffix(".weight")


def stem_name(spec: TaskSpec) -> str:
    """Tasks with the same kind of input share a stem: image1, image3, text257, speech, text900-clinc150."""
    detail = {"image": spec.input_shape[0], "text": spec.vocabulary, "speech": ""}[spec.modality]
    return f"{spec.modality}{detail}" + (f"-{spec.lexicon}" if spec.lexicon else "")


def init_weights(net: nn.Module, generator: torch.Generator) -> Tensors:
    """Scales 1, biases and heads 0, all else normal with variance 1 / fan-in, in the order of the names.

    A head of zeros favours no class whatever their order, and its first gradient step is a nearest-mean
    classifier, from which adaptation starts better than from a random head.
    """
    return {name: _fresh(name, p.shape, generator) for name, p in net.named_parameters()}


def _fresh(name: str, shape: torch.Size, generator: torch.Generator) -> Tensor:
    last = name.rpartition(".")[2]
    if last == "scale":
        return torch.ones(shape)
    if last.endswith("bias") or is_head(name):
        return torch.zeros(shape)
    fan_in = 1 if last == "embedding" else math.prod(shape[1:])
    return torch.randn(shape, generator=generator) / math.sqrt(fan_in)


def apply(net: nn.Module, params: Params, x: Tensor, spec: TaskSpec) -> Tensor:
    """Logits (B, ways) of the network with these numbers."""
    logits: Tensor = functional_call(net, params.weights, (x, params.arch, spec))
    return logits


def features(net: nn.Module, params: Params, x: Tensor, spec: TaskSpec) -> Tensor:
    """Features (B, F) under the head."""
    found: Tensor = functional_call(net, params.weights, (x, params.arch, spec), {"head": False})
    return found
