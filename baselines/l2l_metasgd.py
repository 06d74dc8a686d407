"""Meta-SGD by learn2learn: its own algorithm on our network and episodes, an independent implementation.

Li et al. (2017) as in learn2learn (Arnold et al., 2020): one learned rate per weight, all equal at first.
"""

from dataclasses import dataclass
from typing import Any

import torch

from baselines.l2l_maml import Fixed, L2lMaml, name_in_state
from metanas.episode import TaskSpec
from metanas.kinds import METHODS
from metanas.meta.outer import group, pack, params_of
from metanas.method import State
from metanas.params import Tensors


@METHODS.register("l2l-metasgd")
class L2lMetaSgd(L2lMaml):
    """learn2learn's Meta-SGD on our network (Arnold et al., 2020); needs metanas[l2l]."""

    @dataclass(frozen=True)
    class Settings(L2lMaml.Settings):
        """weight_rate is where every learned rate begins."""

        steps: int = 1
        test_steps: int = 1

    def start(self, generator: torch.Generator) -> State:
        params = self.net.init(generator)
        rate = self.settings.weight_rate
        return pack(params, {name: torch.full_like(t, rate) for name, t in params.weights.items()})

    def model(self, state: State, spec: TaskSpec) -> Any:
        inside, rates = Fixed(self.net, params_of(state), spec), group(state, "rates")
        first_order = not self.settings.second_order
        model = self.algorithms.MetaSGD(inside, lr=1.0, first_order=first_order)
        for rate, (name, _) in zip(model.lrs, inside.named_parameters(), strict=True):
            rate.data = rates[name_in_state(name).removeprefix("weights/")].clone()
        return model

    def gradients(self, model: Any) -> Tensors:
        names = [name_in_state(name) for name, _ in model.module.named_parameters()]
        found = {
            f"rates/{name.removeprefix('weights/')}": rate.grad
            for name, rate in zip(names, model.lrs, strict=True)
            if rate.grad is not None
        }
        return super().gradients(model) | found
