"""The mean of a task's tokens, frames or image patches: a bag, which no layer orders or mixes.

For words the baseline of few-shot text classification (AVG of Bao et al., ICLR 2020); elsewhere what a
network of layers has to beat. Text has two linear maps, of words and of their mean; with frozen word vectors
these alone are learned.
"""

import torch.nn.functional as F
from torch import Tensor

from metanas.models.tokens import TokenNet, mean_token
from metanas.space.network_config import NETWORKS


@NETWORKS.register("average")
class Average(TokenNet):
    """The normalised mean of projected tokens, frames or image patches (AVG of Bao et al., 2020)."""

    def features(self, tokens: Tensor, mask: Tensor | None, project: Tensor) -> Tensor:
        """As of `TokenNet`."""
        mean = mean_token(tokens, mask) @ project.T
        return F.layer_norm(mean, mean.shape[-1:])
