"""Matching networks: a query's label is the attention-weighted mean of the support's labels.

Vinyals, Blundell, Lillicrap, Kavukcuoglu, Wierstra: Matching Networks for One Shot Learning (NeurIPS 2016),
eq. 1 and sec. 2.1.1, cosine attention. Where we differ: no full-context embeddings (sec. 2.1.2), and the
cosine is multiplied by `sharpness` before the softmax.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.protonet import ProtoNet
from metanas.episode import Batch, TaskSpec
from metanas.kinds import METHODS
from metanas.meta.embed import embed
from metanas.params import Params


@METHODS.register("matchingnet")
class MatchingNet(ProtoNet):
    """Matching networks with cosine attention (Vinyals et al., 2016)."""

    @dataclass(frozen=True)
    class Settings(ProtoNet.Settings):
        """As ProtoNet's; sharpness multiplies the cosine."""

        sharpness: float = 10.0

    def logits(self, params: Params, spec: TaskSpec, support: Batch, x: Tensor) -> Tensor:
        """Log of the attention that each class gets (T, Q, ways)."""
        known = F.normalize(embed(self.net, params, spec, support.x, apart=self.transductive), dim=-1)
        asked = F.normalize(embed(self.net, params, spec, x, apart=self.transductive), dim=-1)
        attention = (self.settings.sharpness * asked @ known.transpose(1, 2)).softmax(-1)  # (T, Q, B)
        shares = attention @ F.one_hot(support.y, spec.ways).to(attention.dtype)
        return shares.clamp_min(torch.finfo(shares.dtype).tiny).log()
