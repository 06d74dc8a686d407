"""Matching networks: a query's label is the attention-weighted mean of the support labels.

Vinyals, Blundell, Lillicrap, Kavukcuoglu, Wierstra: Matching Networks for One Shot Learning (NeurIPS 2016),
eq. 1 and sec. 2.1.1, cosine attention. Where we differ: no full-context embeddings (sec. 2.1.2), and the
cosine is multiplied by `sharpness` before the softmax.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.protonet import ProtoNet
from metanas.data.episode import Batch, TaskSpec
from metanas.method import METHODS
from metanas.params import Params, Tensors


@METHODS.register("matchingnet")
class MatchingNet(ProtoNet):
    """Matching networks with cosine attention (Vinyals et al., 2016)."""

    @dataclass(frozen=True)
    class Settings(ProtoNet.Settings):
        """As ProtoNet's; sharpness multiplies the cosine."""

        sharpness: float = 10.0

    def logits(
        self, params: Params, spec: TaskSpec, support: Batch, x: Tensor, arch: Tensors | None = None
    ) -> Tensor:
        """Logits (T, Q, ways) of queries x (T, Q, ...): the log of the attention that each class gets."""
        keys = F.normalize(self.embed(params, spec, support.x, arch), dim=-1)
        queries = F.normalize(self.embed(params, spec, x, arch), dim=-1)
        attention = (self.settings.sharpness * queries @ keys.transpose(1, 2)).softmax(-1)  # (T, Q, B)
        shares = attention @ F.one_hot(support.y, spec.ways).to(attention.dtype)
        return shares.clamp_min(torch.finfo(shares.dtype).tiny).log()
