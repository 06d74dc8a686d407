"""A recurrent network: a GRU over tokens, frames or image rows; the head reads the mean of its states.

Cho et al. (2014). The recurrent cell is the supernet's op `gru`.
"""

from torch import Tensor

from metanas.models.tokens import TokenNet, mean_token
from metanas.space.candidates import OPS
from metanas.space.network_config import NETWORKS, NetworkConfig


@NETWORKS.register("gru")
class GruNet(TokenNet):
    """A gated recurrent unit over tokens, frames or image rows (Cho et al., 2014)."""

    patch = 0

    def add_layers(self, config: NetworkConfig) -> None:
        """As of `TokenNet`."""
        self.cell = OPS["gru"](config.width)

    def features(self, tokens: Tensor, mask: Tensor | None, project: Tensor) -> Tensor:
        """As of `TokenNet`."""
        sequence = (tokens @ project.T).transpose(1, 2)[:, :, None]  # (B, width, 1, S)
        states = self.cell(sequence, None if mask is None else mask[:, None, None])
        return mean_token(states.squeeze(2).transpose(1, 2), mask)
