"""ANIL by learn2learn: its MAML on the head, on features that only the outer loop moves.

Raghu et al. (2020) as in learn2learn's own example (Arnold et al., 2020).
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from baselines.l2l_maml import FixedArch, L2lMaml, gradients_of
from metanas.data.episode import TaskSpec
from metanas.method import METHODS, State
from metanas.models.network import is_head
from metanas.params import Tensors


@METHODS.register("l2l-anil")
class L2lAnil(L2lMaml):
    """learn2learn's MAML on the head alone (Arnold et al., 2020); needs metanas[l2l]."""

    @dataclass(frozen=True)
    class Settings(L2lMaml.Settings):
        """As l2l-maml's."""

    def model(self, state: State, spec: TaskSpec) -> Any:
        """learn2learn's MAML around the head; the features' parameters are outside it."""
        s, network = self.settings, FixedArch(self.net, state.params, spec)
        return self.algorithms.MAML(
            _HeadOnly(network), lr=s.weight_rate, first_order=not s.second_order, allow_unused=True
        )

    def gradients(self, model: Any) -> Tensors:
        """Gradients of the features' and the head's parameters, by the state's names."""
        return gradients_of(model.module.network[0]) | gradients_of(model.module)


class _HeadOnly(nn.Module):
    """A network whose only parameters are its head's; the others belong to `network`."""

    def __init__(self, network: FixedArch) -> None:
        super().__init__()
        self.network = [network]  # in a list: its parameters are not ours
        heads = {name: p for name, p in network.values.items() if is_head(name.replace("|", "."))}
        self.values = nn.ParameterDict(heads)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, *input_shape) to logits (B, ways)."""
        return self.network[0].run(x, {**self.network[0].values, **self.values})
