"""Candidate activations: element-wise functions of a tensor of any shape, registered by name."""

import torch
import torch.nn.functional as F
from torch import Tensor

from metanas.space.candidates import ACTIVATIONS


@ACTIVATIONS.register("relu")
def relu(x: Tensor) -> Tensor:
    """max(x, 0)."""
    return F.relu(x)


@ACTIVATIONS.register("tanh")
def tanh(x: Tensor) -> Tensor:
    """Hyperbolic tangent."""
    return torch.tanh(x)


@ACTIVATIONS.register("sigmoid")
def sigmoid(x: Tensor) -> Tensor:
    """Logistic function."""
    return torch.sigmoid(x)


@ACTIVATIONS.register("gelu")
def gelu(x: Tensor) -> Tensor:
    """x times the normal distribution function (Hendrycks and Gimpel, 2016)."""
    return F.gelu(x)


@ACTIVATIONS.register("silu")
def silu(x: Tensor) -> Tensor:
    """x times the logistic function (Elfwing et al., 2018)."""
    return F.silu(x)


@ACTIVATIONS.register("identity")
def identity(x: Tensor) -> Tensor:
    """x itself."""
    return x
