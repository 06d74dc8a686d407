"""MAML++: MAML with remedies for its instability.

Antoniou, Edwards, Storkey: How to Train Your MAML (ICLR 2019), sec. 4: multi-step loss (eq. 4), annealed to
the loss after the last step; derivative-order annealing, first order at the beginning; learned rates per
layer and step (LSLR); cosine outer rate. Where we differ: phases are shares of the meta-training (theirs: 15
and 50 of 100 epochs) because budgets here differ; layer norms instead of their per-step batch norms.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from baselines.maml import Maml
from metanas.base.ranges import Count, Share, Steps
from metanas.meta.inner import Order, StepPolicy, moves
from metanas.meta.optimizers import FunctionalOptimizer, adam
from metanas.meta.rates import LearnedRates, constant, start
from metanas.method import METHODS, Progress
from metanas.params import Params, Tensors, group_of


@METHODS.register("mamlpp")
class MamlPp(Maml):
    """MAML with multi-step loss, learned rates and annealed order (Antoniou et al., 2019)."""

    @dataclass(frozen=True)
    class Settings(Maml.Settings):
        """multi_step, first_order: shares of meta-training that these phases last.

        least: the share of its start to which the outer rate falls (theirs: 1e-5 of 1e-3).
        """

        steps: Count = 3
        test_steps: Steps = 3
        multi_step: Share = 0.15
        first_order: Share = 0.5
        least: Share = 0.01

    settings: Settings

    def rates(self, params: Params, generator: torch.Generator) -> Tensors:
        """One rate per tensor and step, initially that of its group."""
        s = self.settings
        return start(params, "tensor", s.steps, constant(s.weight_rate, s.arch_rate))

    def policy(self, rates: Tensors) -> StepPolicy:
        """SGD at the learned rates."""
        return LearnedRates(rates, "tensor", moves(self.settings.adapts))

    def order(self, progress: Progress) -> Order:
        """First order in the first phase, then second."""
        late = progress.iteration >= self.settings.first_order * progress.total
        return 2 if late and self.settings.second_order else 1

    def phases(self) -> Sequence[float]:
        """Where second order begins."""
        s = self.settings
        return (s.first_order,) if s.second_order else ()

    def step_weights(self, progress: Progress) -> Sequence[float]:
        """Weight of the query loss after each inner step, annealed from equal to the last step alone."""
        return multi_step_weights(
            self.settings.steps, progress.iteration, self.settings.multi_step * progress.total
        )

    def outer(self, name: str, progress: Progress) -> FunctionalOptimizer:
        """Adam at a cosine rate."""
        s = self.settings
        rates = {"weights": s.outer_weight_rate, "arch": s.outer_arch_rate, "rates": s.outer_eta_rate}
        return adam(rates[group_of(name)] * cosine(progress, s.least))


def multi_step_weights(steps: int, iteration: int, phase: float) -> list[float]:
    """Weights of the steps' losses, which sum to 1: equal at first, after `phase` iterations the last alone.

    Over the phase all but the last fall linearly to 0, and the last gets what they lose.
    """
    share = max(1 - iteration / phase, 0.0) if phase > 0 else 0.0
    others = share / steps
    return [others] * (steps - 1) + [1 - others * (steps - 1)]


def cosine(progress: Progress, least: float) -> float:
    """The outer rate's factor: from 1 to `least` along half a cosine (Loshchilov and Hutter, 2017)."""
    return least + (1 - least) * 0.5 * (1 + math.cos(math.pi * (1 - progress.remaining)))
