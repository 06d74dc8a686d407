"""A recurrent network: a GRU over tokens, frames or image rows; the head reads the mean of its states.

Cho et al. (2014). The recurrent cell is the supernet's op `gru`.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from metanas.data.episode import TaskSpec
from metanas.models.network import Head, Network, stem_name
from metanas.models.tokens import Patches, mean_token
from metanas.space.candidates import OPS
from metanas.space.network_config import NETWORKS, NetworkConfig


@NETWORKS.register("gru")
class GruNet(Network):
    """A gated recurrent unit over tokens, frames or image rows (Cho et al., 2014)."""

    def __init__(self, specs: Sequence[TaskSpec], config: NetworkConfig) -> None:
        super().__init__()
        entries = {stem_name(spec): Patches(spec, config.width, patch=0) for spec in specs}
        self.entries = nn.ModuleDict(entries)
        self.project = nn.ParameterDict(
            {name: torch.empty(config.width, entry.features) for name, entry in entries.items()}
        )
        self.cell = OPS["gru"](config.width)
        self.heads = nn.ModuleDict({f"ways{n}": Head(config.width, n) for n in {s.ways for s in specs}})

    def forward(self, x: Tensor, arch: Mapping[str, Tensor], spec: TaskSpec, *, head: bool = True) -> Tensor:
        """x (B, *input_shape) to logits (B, ways), or without the head to features (B, width).

        `arch` is not used.
        """
        name = stem_name(spec)
        tokens, mask = self.entries[name](x)
        sequence = (tokens @ self.project[name].T).transpose(1, 2)[:, :, None]  # (B, width, 1, S)
        states = self.cell(sequence, None if mask is None else mask[:, None, None])
        features = mean_token(states.squeeze(2).transpose(1, 2), mask)
        return self.heads[f"ways{spec.ways}"](features) if head else features
