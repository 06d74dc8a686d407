"""A gated recurrent network: tokens, frames or image rows in order, the mean of its states to the head.

Cho et al. (2014); the cell is the supernet's own `gru` node, so that both are one piece of code.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from metanas.episode import TaskSpec
from metanas.kinds import NETWORKS, OPS
from metanas.networks.choice import Choice
from metanas.networks.entry import Patches, mean_token
from metanas.networks.network import Head, Network, stem_name


@NETWORKS.register("gru")
class GruNet(Network):
    """A gated recurrent unit over tokens, frames or image rows (Cho et al., 2014)."""

    def __init__(self, specs: Sequence[TaskSpec], choice: Choice) -> None:
        super().__init__()
        kinds = {stem_name(spec): Patches(spec, choice.width, patch=0) for spec in specs}
        self.entries = nn.ModuleDict(kinds)
        self.project = nn.ParameterDict(
            {name: torch.empty(choice.width, kind.features) for name, kind in kinds.items()}
        )
        self.cell = OPS["gru"](choice.width)
        self.heads = nn.ModuleDict({f"ways{n}": Head(choice.width, n) for n in {s.ways for s in specs}})

    def forward(self, x: Tensor, arch: Mapping[str, Tensor], spec: TaskSpec, *, head: bool = True) -> Tensor:
        name = stem_name(spec)
        tokens, mask = self.entries[name](x)
        line = (tokens @ self.project[name].T).transpose(1, 2)[:, :, None]  # (B, width, 1, S)
        states = self.cell(line, None if mask is None else mask[:, None, None])
        found = mean_token(states.squeeze(2).transpose(1, 2), mask)
        return self.heads[f"ways{spec.ways}"](found) if head else found
