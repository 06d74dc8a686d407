"""Meta-SGD by learn2learn: an independent implementation, on our networks and episodes.

Li et al. (2017) as in learn2learn (Arnold et al., 2020): one learned rate per weight, all equal at first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from baselines.l2l_maml import FixedArch, L2lMaml, name_in_state
from metanas.base.errors import InvalidValue
from metanas.base.ranges import Count, Steps
from metanas.data.episode import TaskSpec
from metanas.meta.outer import pack
from metanas.method import METHODS, State
from metanas.params import Tensors


@METHODS.register("l2l-metasgd")
class L2lMetaSgd(L2lMaml):
    """learn2learn's Meta-SGD on our network (Arnold et al., 2020); needs metanas[l2l]."""

    @dataclass(frozen=True)
    class Settings(L2lMaml.Settings):
        """weight_rate: the initial value of every learned rate."""

        steps: Count = 1
        test_steps: Steps = 1

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        if settings.space.sampling != "mixture":
            raise InvalidValue(
                "learn2learn's Meta-SGD needs every tensor in every step, so space.sampling must be mixture, "
                f"got {settings.space.sampling}"
            )
        super().__init__(specs, settings)

    def start(self, generator: torch.Generator) -> State:
        params = self.net.init(generator)
        rate = self.settings.weight_rate
        return pack(params, {name: torch.full_like(t, rate) for name, t in params.weights.items()})

    def model(self, state: State, spec: TaskSpec) -> Any:
        """learn2learn's Meta-SGD around the network with the state's parameters and rates."""
        network, rates = EveryTensor(self.net, state.params, spec), state.rates
        first_order = not self.settings.second_order
        model = self.algorithms.MetaSGD(network, lr=1.0, first_order=first_order)
        for rate, (name, _) in zip(model.lrs, network.named_parameters(), strict=True):
            rate.data = rates[name_in_state(name).removeprefix("weights/")].clone()
        return model

    def gradients(self, model: Any) -> Tensors:
        """Gradients of parameters and rates, by the state's names."""
        names = [name_in_state(name) for name, _ in model.module.named_parameters()]
        rates = {
            f"rates/{name.removeprefix('weights/')}": rate.grad
            for name, rate in zip(names, model.lrs, strict=True)
            if rate.grad is not None
        }
        return super().gradients(model) | rates


class EveryTensor(FixedArch):
    """Logits that depend on all parameters, with gradient 0 on stems and heads of other tasks.

    learn2learn's Meta-SGD refuses parameters that a loss does not depend on.
    """

    def run(self, x: Tensor, values: Mapping[str, Tensor]) -> Tensor:
        """See FixedArch."""
        return super().run(x, values) + 0 * torch.stack([t.sum() for t in values.values()]).sum()
