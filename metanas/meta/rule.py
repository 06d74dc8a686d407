"""Update rules of the inner loop: SGD and Adam as pure, differentiable functions.

The optax pair: `init` makes a state, `update` returns new tensors and a new state and changes nothing,
so the outer loop can differentiate through any number of steps.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

State = tuple[Tensor, ...]


class UpdateRule(NamedTuple):
    """init(tensor) -> state; update(tensor, gradient, state) -> (new tensor, new state)."""

    init: Callable[[Tensor], State]
    update: Callable[[Tensor, Tensor, State], tuple[Tensor, State]]


def sgd(rate: float | Tensor) -> UpdateRule:
    """x - rate * g, equal to torch.optim.SGD(lr=rate)."""
    return UpdateRule(lambda x: (), lambda x, g, state: (x - rate * g, state))


def momentum(rate: float, *, beta: float = 0.9, decay: float = 0.0) -> UpdateRule:
    """Heavy ball (Polyak, 1964) with L2 decay, equal to torch.optim.SGD(momentum, weight_decay)."""

    def update(x: Tensor, g: Tensor, state: State) -> tuple[Tensor, State]:
        speed = beta * state[0] + g + decay * x
        return x - rate * speed, (speed,)

    return UpdateRule(lambda x: (torch.zeros_like(x),), update)


def adam(
    rate: float, *, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8, decay: float = 0.0
) -> UpdateRule:
    """Adam (Kingma and Ba, 2015, algorithm 1) with L2 decay, equal to torch.optim.Adam.

    Reptile uses beta1 = 0, DARTS beta1 = 0.5 and a decay for the architecture.
    """

    def init(x: Tensor) -> State:
        return (torch.zeros_like(x), torch.zeros_like(x), torch.zeros((), dtype=torch.float64))

    def update(x: Tensor, g: Tensor, state: State) -> tuple[Tensor, State]:
        first, second, step = state
        step = step + 1
        g = g + decay * x if decay else g
        first = torch.lerp(first, g, 1 - beta1) if beta1 else g
        second = torch.addcmul(beta2 * second, g, g, value=1 - beta2)
        unbiased = math.sqrt(1 - beta2 ** float(step))  # the algorithm's hats, where they are mere numbers
        size = -rate * unbiased / (1 - beta1 ** float(step))
        return torch.addcdiv(x, first, second.sqrt() + eps * unbiased, value=size), (first, second, step)

    return UpdateRule(init, update)


def clipped(gradients: Sequence[Tensor], limit: float) -> list[Tensor]:
    """Scaled down together so that their joint norm is at most `limit` (Pascanu et al., 2013)."""
    norm = torch.stack([g.norm() for g in gradients]).norm()
    return [g * (limit / norm.clamp_min(limit)) for g in gradients]
