"""MAML++: MAML with the authors' remedies for its instability.

Antoniou, Edwards, Storkey: How to Train Your MAML (ICLR 2019), sec. 4: multi-step loss (eq. 4), annealed to
the last step's; derivative-order annealing, first order at the beginning; learned rates per layer and step
(LSLR); cosine outer rate. Where we differ: phases are shares of the meta-training (theirs: 15 and 50 of 100
epochs) because budgets here differ; their per-step batch norms are the layer norms all our networks have.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from baselines.maml import Maml
from metanas.kinds import METHODS
from metanas.meta.inner import Order, Stepper, moves
from metanas.meta.rates import LearnedRates, alike, start
from metanas.meta.rule import UpdateRule, adam
from metanas.method import Moment
from metanas.params import Params, Tensors


@METHODS.register("mamlpp")
class MamlPp(Maml):
    """MAML with multi-step loss, learned rates and annealed order (Antoniou et al., 2019)."""

    @dataclass(frozen=True)
    class Settings(Maml.Settings):
        """multi_step, first_order: shares of meta-training that these phases last.

        least: the smallest share of its start that the outer rate falls to (theirs: 1e-5 of 1e-3).
        """

        steps: int = 3
        test_steps: int = 3
        multi_step: float = 0.15
        first_order: float = 0.5
        least: float = 0.01

    settings: Settings

    def rates(self, params: Params, generator: torch.Generator) -> Tensors:
        s = self.settings
        return start(params, "tensor", s.steps, alike(s.weight_rate, s.arch_rate))

    def rules(self, rates: Tensors) -> Stepper:
        return LearnedRates(rates, "tensor", moves(self.settings.adapts))

    def order(self, moment: Moment) -> Order:
        late = moment.at >= self.settings.first_order * moment.of
        return 2 if late and self.settings.second_order else 1

    def phases(self) -> Sequence[float]:
        s = self.settings
        return (s.first_order,) if s.second_order else ()

    def step_weights(self, moment: Moment) -> Sequence[float]:
        return multi_step_weights(self.settings.steps, moment.at, self.settings.multi_step * moment.of)

    def outer(self, name: str, moment: Moment) -> UpdateRule:
        s = self.settings
        rates = {"weights": s.outer_weight_rate, "arch": s.outer_arch_rate, "rates": s.outer_eta_rate}
        return adam(rates[name.partition("/")[0]] * cosine(moment, s.least))


def multi_step_weights(steps: int, at: int, phase: float) -> list[float]:
    """Equal at first; over the phase all but the last fall to 0, and the last gets what they lose."""
    share = max(1 - at / phase, 0.0) if phase > 0 else 0.0
    others = share / steps
    return [others] * (steps - 1) + [1 - others * (steps - 1)]


def cosine(moment: Moment, least: float) -> float:
    """From 1 down to `least` along half a cosine (Loshchilov and Hutter, 2017)."""
    return least + (1 - least) * 0.5 * (1 + math.cos(math.pi * (1 - moment.left)))
