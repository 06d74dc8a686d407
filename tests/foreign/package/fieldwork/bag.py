"""A network: pieces of the input by themselves, and the mean of what they say."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from metanas import NETWORKS, NetworkConfig, TaskSpec
from metanas.models.network import Head, Network, stem_name
from metanas.models.tokens import Patches, mean_token


@NETWORKS.register("field-bag")
class Bag(Network):
    """A bag of patches, words or frames: a perceptron on each, and their mean."""

    def __init__(self, specs: Sequence[TaskSpec], config: NetworkConfig) -> None:
        super().__init__()
        entries = {stem_name(spec): Patches(spec, config.width, patch=4) for spec in specs}
        self.entries = nn.ModuleDict(entries)
        self.first = nn.ParameterDict(
            {name: torch.empty(config.width, entry.features) for name, entry in entries.items()}
        )
        self.second = nn.Parameter(torch.empty(config.width, config.width))
        self.heads = nn.ModuleDict({f"ways{n}": Head(config.width, n) for n in {s.ways for s in specs}})

    def forward(self, x: Tensor, arch: Mapping[str, Tensor], spec: TaskSpec, *, head: bool = True) -> Tensor:
        """x (B, *input_shape) to logits (B, ways), or without the head to features (B, width)."""
        name = stem_name(spec)
        tokens, mask = self.entries[name](x)  # (B, S, F), (B, S)
        hidden = torch.tanh(tokens @ self.first[name].T)
        features = mean_token(torch.tanh(hidden @ self.second.T), mask)
        return self.heads[f"ways{spec.ways}"](features) if head else features
