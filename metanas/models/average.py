"""The mean of a task's tokens, frames or image patches: a bag, which no layer orders or mixes.

For words the baseline of few-shot text classification (AVG of Bao et al., ICLR 2020); elsewhere what a
network of layers has to beat. Text has two linear maps, of words and of their mean; with frozen word vectors
these alone are learned.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metanas.data.episode import TaskSpec
from metanas.models.network import Head, Network, stem_name
from metanas.models.tokens import Patches, mean_token
from metanas.models.transformer import PATCH
from metanas.space.network_config import NETWORKS, NetworkConfig


@NETWORKS.register("average")
class Average(Network):
    """The normalised mean of projected tokens, frames or image patches (AVG of Bao et al., 2020)."""

    def __init__(self, specs: Sequence[TaskSpec], config: NetworkConfig) -> None:
        super().__init__()
        entries = {stem_name(spec): Patches(spec, config.width, PATCH) for spec in specs}
        self.entries = nn.ModuleDict(entries)
        self.project = nn.ParameterDict(
            {name: torch.empty(config.width, entry.features) for name, entry in entries.items()}
        )
        self.heads = nn.ModuleDict({f"ways{n}": Head(config.width, n) for n in {s.ways for s in specs}})

    def forward(self, x: Tensor, arch: Mapping[str, Tensor], spec: TaskSpec, *, head: bool = True) -> Tensor:
        """x (B, *input_shape) to logits (B, ways), or without the head to features (B, width).

        `arch` is not used.
        """
        name = stem_name(spec)
        tokens, mask = self.entries[name](x)
        mean = mean_token(tokens, mask) @ self.project[name].T
        features = F.layer_norm(mean, mean.shape[-1:])
        return self.heads[f"ways{spec.ways}"](features) if head else features
