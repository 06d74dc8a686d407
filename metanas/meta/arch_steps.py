"""Inner steps of architecture logits other than plain SGD at every step.

`exponentiated` moves the mixture's weights instead of their logits (GAEA); `SummedArch` moves the logits
once, after the weights' last step, by the sum of the gradients that were met on the way (TSE).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from metanas.meta.inner import StepPolicy
from metanas.meta.optimizers import FunctionalOptimizer, OptimizerState, sgd
from metanas.params import Params, group_of, named_tensors


def exponentiated(rate: float | Tensor) -> FunctionalOptimizer:
    """Exponentiated gradient on p = softmax(x): p <- p exp(-rate dL/dp), normalised.

    Li et al.: Geometry-Aware Gradient Algorithms for Neural Architecture Search (ICLR 2021), eq. 2-3. The
    gradient by logits is p (dL/dp - <p, dL/dp>), so in logits the step is x - rate g / p: what softmax takes
    from weak candidates' gradients is given back.
    """

    def update(x: Tensor, g: Tensor, state: OptimizerState) -> tuple[Tensor, OptimizerState]:
        least = torch.finfo(x.dtype).tiny ** 0.5  # less has no second derivative of g / p that is a number
        return x - rate * g / x.softmax(-1).clamp_min(least), state

    return FunctionalOptimizer(lambda x: (), update)


ArchRule = Literal["sgd", "gaea"]
ARCH_RULES: Mapping[ArchRule, Callable[[float], FunctionalOptimizer]] = {"sgd": sgd, "gaea": exponentiated}


@dataclass(frozen=True)
class SummedArch:
    """A policy whose logits wait: each step adds their gradient at the current weights, the last one moves
    them.

    Ru et al.: Speedy Performance Estimation for Neural Architecture Search (NeurIPS 2021), eq. 2: the sum of
    the training losses along the weights' path estimates how fast an architecture learns (TSE); its gradient
    is the sum of the gradients. policy: moves everything else, and the logits in step number steps - 1.
    """

    policy: StepPolicy
    steps: int

    def for_step(self, params: Params, step: int) -> list[FunctionalOptimizer | None]:
        """The policy's optimizers; those of logits add gradients up and move in the last step."""
        return [
            _summed(optimizer, moves=step >= self.steps - 1)
            if optimizer is not None and group_of(name) == "arch"
            else optimizer
            for name, optimizer in zip(named_tensors(params), self.policy.for_step(params, step), strict=True)
        ]


def _summed(optimizer: FunctionalOptimizer, *, moves: bool) -> FunctionalOptimizer:
    def update(x: Tensor, g: Tensor, state: OptimizerState) -> tuple[Tensor, OptimizerState]:
        total, *inner = state
        if not moves:
            return x, (total + g, *inner)
        x, moved = optimizer.update(x, total + g, tuple(inner))
        return x, (torch.zeros_like(total), *moved)

    return FunctionalOptimizer(lambda x: (torch.zeros_like(x), *optimizer.init(x)), update)
