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
from metanas.base.ranges import NonNegative
from metanas.data.episode import Batch
from metanas.method import METHODS
from metanas.models.length import length
from metanas.params import Params, Tensors


@METHODS.register("matchingnet")
class MatchingNet(ProtoNet):
    """Matching networks with cosine attention (Vinyals et al., 2016)."""

    @dataclass(frozen=True)
    class Settings(ProtoNet.Settings):
        """As ProtoNet's; sharpness multiplies the cosine."""

        sharpness: NonNegative = 10.0

    def known(self, support: Batch, ways: int) -> tuple[Tensor, ...]:
        """Unit support features (T, B, F) and their classes (T, B, ways)."""
        return _normalised(support.x), F.one_hot(support.y, ways).to(support.x.dtype)

    def linear(self, params: Params, known: tuple[Tensor, ...]) -> Tensors | None:
        """None: the attention to single examples is no linear head."""
        return None

    def compared(self, known: tuple[Tensor, ...], queries: Tensor) -> Tensor:
        """Logits (T, Q, ways) from features: the log of the attention that each class gets."""
        (keys, classes), queries = known, _normalised(queries)
        attention = (self.settings.sharpness * queries @ keys.transpose(1, 2)).softmax(-1)  # (T, Q, B)
        shares = attention @ classes
        return shares.clamp_min(torch.finfo(shares.dtype).tiny).log()


def _normalised(x: Tensor) -> Tensor:
    """F.normalize of features x (T, B, F), with a second derivative where all are 0."""
    return x / length(x, (-1,)).clamp_min(1e-12)
