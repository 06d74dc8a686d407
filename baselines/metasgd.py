"""Meta-SGD: MAML with one learned inner learning rate per parameter.

Li, Zhou, Chen, Li: Meta-SGD: Learning to Learn Quickly for Few-Shot Learning (2017), eq. 2 and algorithm 1:
theta' = theta - alpha * grad, elementwise, one step. alpha starts uniformly in [low, high] (their 0.005 and
0.1). Where we differ: architecture logits have rates of their own, which start `arch_scale` times as large,
and the default range is higher, since our budgets are a thousandth of theirs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from baselines.maml import Maml
from metanas.base.ranges import Count, NonNegative, Rate, Steps
from metanas.meta.inner import StepPolicy, moves
from metanas.meta.rates import LearnedRates, start
from metanas.method import METHODS
from metanas.params import Params, Tensors, group_of


@METHODS.register("metasgd")
class MetaSgd(Maml):
    """MAML with one learned inner rate per weight (Li et al., 2017)."""

    @dataclass(frozen=True)
    class Settings(Maml.Settings):
        """low, high: range of the initial rates. arch_scale: factor on those of architecture logits.

        weight_rate, arch_rate and eta of MAML are not used.
        """

        steps: Count = 1
        test_steps: Steps = 1
        low: Rate = 0.05
        high: Rate = 0.3
        arch_scale: NonNegative = 5.0
        outer_eta_rate: Rate = 3e-3

    settings: Settings

    def rates(self, params: Params, generator: torch.Generator) -> Tensors:
        """One rate per element, drawn uniformly."""
        s = self.settings

        def first(name: str, shape: torch.Size) -> Tensor:
            rates = s.low + (s.high - s.low) * torch.rand(shape, generator=generator)
            return rates * (s.arch_scale if group_of(name) == "arch" else 1.0)

        return start(params, "element", s.steps, first)

    def policy(self, rates: Tensors) -> StepPolicy:
        """SGD at the learned rates."""
        return LearnedRates(rates, "element", moves(self.settings.adapts))
