"""Batch normalisation with written-out second derivatives: torch's values, alone and over tasks."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, vmap

from metanas.base.seeding import generator
from metanas.models.norms import BatchNorm

DICE = generator(0, "norms")


def numbers(*shape: int) -> Tensor:
    return torch.randn(shape, generator=DICE, dtype=torch.float64).requires_grad_()


EPS = 1e-3


def ours(x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    found: Tensor = functional_call(BatchNorm(3, EPS).double(), {"scale": scale, "bias": bias}, (x, None))
    return found


def theirs(x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    return F.batch_norm(x, None, None, scale, bias, training=True, eps=EPS)


def test_first_and_second_derivatives_are_those_of_finite_differences() -> None:
    inputs = numbers(4, 3, 2, 2), numbers(3), numbers(3)
    torch.testing.assert_close(ours(*inputs), theirs(*inputs))
    assert torch.autograd.gradcheck(ours, inputs)
    assert torch.autograd.gradgradcheck(ours, inputs)


def test_side_by_side_as_in_turn_with_weights_of_each_task_or_of_all() -> None:
    x, probe = numbers(2, 4, 3, 2, 2), numbers(2, 4, 3, 2, 2)
    for scale, bias in ((numbers(2, 3), numbers(2, 3)), (numbers(3), numbers(3))):
        shared = scale.ndim == 1
        together = vmap(ours, in_dims=(0, None, None) if shared else (0, 0, 0))(x, scale, bias)
        rows = [(x[t], scale if shared else scale[t], bias if shared else bias[t]) for t in range(2)]
        apart = torch.stack([theirs(*row) for row in rows])
        at = (x, scale, bias)
        for a, b in zip(_twice(together, probe, at), _twice(apart, probe, at), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


def _twice(y: Tensor, probe: Tensor, at: tuple[Tensor, ...]) -> list[Tensor]:
    """The values, the gradient of their weighted sum, and that of the gradient's squared norm."""
    first = torch.autograd.grad((y.tanh() * probe).sum(), at, create_graph=True)
    second = torch.autograd.grad(torch.stack([g.square().sum() for g in first]).sum(), at)
    return [y, *first, *second]
