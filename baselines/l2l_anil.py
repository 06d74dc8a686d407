"""ANIL by learn2learn: its MAML around the head, on features that only the outer loop moves.

Raghu et al. (2020) as in learn2learn's own example (Arnold et al., 2020).
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from baselines.l2l_maml import Fixed, L2lMaml, left_in
from metanas.episode import TaskSpec
from metanas.kinds import METHODS
from metanas.meta.outer import params_of
from metanas.method import State
from metanas.networks.network import is_head
from metanas.params import Tensors


@METHODS.register("l2l-anil")
class L2lAnil(L2lMaml):
    """learn2learn's MAML on the head alone (Arnold et al., 2020); needs metanas[l2l]."""

    @dataclass(frozen=True)
    class Settings(L2lMaml.Settings):
        """As `anil`'s."""

    def model(self, state: State, spec: TaskSpec) -> Any:
        """The wrapper of the head; the body goes along outside its parameters."""
        s, whole = self.settings, Fixed(self.net, params_of(state), spec)
        return self.algorithms.MAML(
            HeadOnly(whole), lr=s.weight_rate, first_order=not s.second_order, allow_unused=True
        )

    def gradients(self, model: Any) -> Tensors:
        return left_in(model.module.whole[0]) | left_in(model.module)


class HeadOnly(nn.Module):
    """A network whose head is this module's own and whose body belongs to `whole`."""

    def __init__(self, whole: Fixed) -> None:
        super().__init__()
        self.whole = [whole]  # in a list: its parameters are not ours
        heads = {name: p for name, p in whole.values.items() if is_head(name.replace("|", "."))}
        self.values = nn.ParameterDict(heads)

    def forward(self, x: Tensor) -> Tensor:
        return self.whole[0].run(x, {**self.whole[0].values, **self.values})
