"""The Euclidean norm with a second derivative everywhere, for what is differentiated twice."""

from typing import Any

import torch
from torch import Tensor

from metanas.models.convolution import cache_signature


def length(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    """The norm of x over `dims`, counted from the end (-1, ...); they stay, with size 1."""
    norm: Tensor = _Length.apply(x, dims)
    return norm


@cache_signature
class _Length(torch.autograd.Function):
    """torch's norm and its gradient, to the last bit.

    torch's own has no second derivative at 0, such as of an example that is nothing but padding: it divides
    by the norm. Here 0 is divided by 1.
    """

    @staticmethod
    def forward(x: Tensor, dims: tuple[int, ...]) -> Tensor:
        return torch.linalg.vector_norm(x, dim=dims, keepdim=True)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0], output)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> Any:
        x, norm = ctx.saved_tensors
        return cotangents[0] * (x / norm.masked_fill(norm == 0, 1.0)), None

    @staticmethod
    def vmap(info: Any, batched: tuple[int, None], x: Tensor, dims: tuple[int, ...]) -> tuple[Tensor, int]:
        task, own = batched[0], [d % (x.dim() - 1) for d in dims]
        return _Length.apply(x, tuple(d + (d >= task) for d in own)), task
