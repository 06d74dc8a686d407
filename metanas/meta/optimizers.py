"""Optimizers as pure, differentiable functions of one tensor: SGD, momentum and Adam; gradient clipping.

As in optax: `init` makes a state, `update` returns a new tensor and a new state and changes nothing in place,
so the outer loop can differentiate through any number of inner steps. Used in both loops.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

OptimizerState = tuple[Tensor, ...]


class FunctionalOptimizer(NamedTuple):
    """init(tensor) -> state; update(tensor, gradient, state) -> (new tensor, new state)."""

    init: Callable[[Tensor], OptimizerState]
    update: Callable[[Tensor, Tensor, OptimizerState], tuple[Tensor, OptimizerState]]


def sgd(rate: float | Tensor) -> FunctionalOptimizer:
    """x - rate * g, equal to torch.optim.SGD(lr=rate). rate: a number or a tensor that broadcasts to x."""
    return FunctionalOptimizer(lambda x: (), lambda x, g, state: (x - rate * g, state))


def momentum(rate: float, *, beta: float = 0.9, decay: float = 0.0) -> FunctionalOptimizer:
    """Heavy ball (Polyak, 1964) with L2 decay, equal to torch.optim.SGD(momentum, weight_decay)."""

    def update(x: Tensor, g: Tensor, state: OptimizerState) -> tuple[Tensor, OptimizerState]:
        velocity = beta * state[0] + g + decay * x
        return x - rate * velocity, (velocity,)

    return FunctionalOptimizer(lambda x: (torch.zeros_like(x),), update)


def adam(
    rate: float, *, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8, decay: float = 0.0
) -> FunctionalOptimizer:
    """Adam (Kingma and Ba, 2015, algorithm 1) with L2 decay, equal to torch.optim.Adam.

    State: first moment, second moment, step count. Reptile uses beta1 = 0, DARTS beta1 = 0.5 and a decay for
    the architecture.
    """

    def init(x: Tensor) -> OptimizerState:
        return (torch.zeros_like(x), torch.zeros_like(x), torch.zeros((), dtype=torch.float64))

    def update(x: Tensor, g: Tensor, state: OptimizerState) -> tuple[Tensor, OptimizerState]:
        first, second, step = state
        step = step + 1
        g = g + decay * x if decay else g
        first = torch.lerp(first, g, 1 - beta1) if beta1 else g
        second = torch.addcmul(beta2 * second, g, g, value=1 - beta2)
        unbiased = math.sqrt(1 - beta2 ** float(step))  # bias corrections, here where they are scalars
        size = -rate * unbiased / (1 - beta1 ** float(step))
        return torch.addcdiv(x, first, second.sqrt() + eps * unbiased, value=size), (first, second, step)

    return FunctionalOptimizer(init, update)


def clipped(gradients: Sequence[Tensor], limit: float) -> list[Tensor]:
    """The gradients scaled together so that their joint norm is at most `limit` (Pascanu et al., 2013)."""
    norm = torch.stack([g.norm() for g in gradients]).norm()
    return [g * (limit / norm.clamp_min(limit)) for g in gradients]
