"""Optimizers as pure, differentiable functions of one tensor: SGD, momentum and Adam; gradient clipping.

As in optax: `init` makes a state, `update` returns a new tensor and a new state and changes nothing in place,
so the outer loop can differentiate through any number of inner steps. Used in both loops.
"""

import math
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

OptimizerState = tuple[Tensor, ...]
Updated = tuple[list[Tensor], list[OptimizerState]]


class FunctionalOptimizer(NamedTuple):
    """init(tensor) -> state; update(tensor, gradient, state) -> (new tensor, new state).

    settings: optimizers with the same ones do the same. many: `update` of many tensors in a few kernels, with
    no gradient through it; None: one after the other.
    """

    init: Callable[[Tensor], OptimizerState]
    update: Callable[[Tensor, Tensor, OptimizerState], tuple[Tensor, OptimizerState]]
    settings: Hashable = None
    many: "Callable[[list[Tensor], list[Tensor], list[OptimizerState]], Updated] | None" = None

    def update_all(self, x: list[Tensor], g: list[Tensor], states: list[OptimizerState]) -> "Updated":
        """`update` of many tensors: their new values and states."""
        if self.many is not None:
            return self.many(x, g, states)
        pairs = [self.update(*of_one) for of_one in zip(x, g, states, strict=True)]
        return [value for value, _ in pairs], [state for _, state in pairs]


def sgd(rate: float | Tensor) -> FunctionalOptimizer:
    """x - rate * g, equal to torch.optim.SGD(lr=rate). rate: a number or a tensor that broadcasts to x."""
    settings = ("sgd", rate) if isinstance(rate, float | int) else ("sgd", id(rate))
    return FunctionalOptimizer(lambda x: (), lambda x, g, state: (x - rate * g, state), settings)


def momentum(rate: float, *, beta: float = 0.9, decay: float = 0.0) -> FunctionalOptimizer:
    """Heavy ball (Polyak, 1964) with L2 decay, equal to torch.optim.SGD(momentum, weight_decay)."""

    def update(x: Tensor, g: Tensor, state: OptimizerState) -> tuple[Tensor, OptimizerState]:
        velocity = beta * state[0] + g + decay * x
        return x - rate * velocity, (velocity,)

    settings = ("momentum", rate, beta, decay)
    return FunctionalOptimizer(lambda x: (torch.zeros_like(x),), update, settings)


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
        root = second.clamp_min(torch.finfo(second.dtype).tiny).sqrt()  # has a derivative where g is 0
        return torch.addcdiv(x, first, root + eps * unbiased, value=size), (first, second, step)

    @torch.no_grad()
    def many(x: list[Tensor], g: list[Tensor], states: list[OptimizerState]) -> Updated:
        firsts, seconds, steps = ([state[j] for state in states] for j in range(3))
        steps = [step + 1 for step in steps]
        counts = [float(step) for step in steps]
        if decay:
            g = list(torch._foreach_add(g, x, alpha=decay))
        firsts = list(torch._foreach_lerp(firsts, g, 1 - beta1)) if beta1 else g
        seconds = list(torch._foreach_mul(seconds, beta2))
        torch._foreach_addcmul_(seconds, g, g, value=1 - beta2)
        unbiased = [math.sqrt(1 - beta2**count) for count in counts]
        sizes = [-rate * u / (1 - beta1**count) for u, count in zip(unbiased, counts, strict=True)]
        below = torch._foreach_add(torch._foreach_sqrt(seconds), [eps * u for u in unbiased])
        values = list(torch._foreach_addcdiv(x, firsts, below, sizes))
        return values, list(zip(firsts, seconds, steps, strict=True))

    return FunctionalOptimizer(init, update, ("adam", rate, beta1, beta2, eps, decay), many)


def clipped(gradients: Sequence[Tensor], limit: float) -> list[Tensor]:
    """The gradients scaled together so that their joint norm is at most `limit` (Pascanu et al., 2013)."""
    if gradients[0].device.type != "cpu":
        norm = torch.stack(list(torch._foreach_norm(list(gradients)))).norm()
        return list(torch._foreach_mul(list(gradients), limit / norm.clamp_min(limit)))
    norm = torch.stack([g.norm() for g in gradients]).norm()
    return [g * (limit / norm.clamp_min(limit)) for g in gradients]
