"""cnn-trad-fpool3: two large convolutions over a spectrogram and two dense layers (Sainath and Parada, 2015).

Convolutions of 8 bands x 20 frames and of 4 x 10 without padding, between them a maximum over 3 bands; then
32 linear and 128 sigmoid units. The form is that of Parnami and Lee (2020), whose `width` is 64. Difference
from them: `norm=layer` is the default. Padded frames are read as 0, and so is what a small map lacks. Each
size of spectrograms has its own linear layer.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import skip_init

from metanas.base.errors import InvalidValue
from metanas.data.episode import TaskSpec
from metanas.models.network import Head, Network
from metanas.models.norms import norm
from metanas.models.tokens import Entry
from metanas.space.network_config import NETWORKS, NetworkConfig

FIRST, SECOND = (8, 20), (4, 10)  # kernels: bands, frames
POOLED = 3  # bands
LEAST = (FIRST[0] - 1 + POOLED * SECOND[0], FIRST[1] + SECOND[1] - 1)  # bands and frames that leave one value
LINEAR, DENSE = 32, 128


@NETWORKS.register("cnn-trad-fpool3")
class CnnTradFpool3(Network):
    """Two large convolutions and two dense layers, for speech alone (Sainath and Parada, 2015)."""

    def __init__(self, specs: Sequence[TaskSpec], config: NetworkConfig) -> None:
        super().__init__()
        if other := next((spec for spec in specs if spec.modality != "speech"), None):
            raise InvalidValue(
                f"network.kind=cnn-trad-fpool3 takes speech alone, {other.name} is {other.modality}; "
                "take conv4, or only domains of speech"
            )
        width = config.width
        self.entry = Entry(specs[0], width)
        self.first = nn.Parameter(torch.empty(width, 1, *FIRST))
        self.second = nn.Parameter(torch.empty(width, width, *SECOND))
        self.norms = nn.ModuleList(norm(config, width) for _ in range(2))
        sizes = sorted({width * _positions(spec) for spec in specs})
        self.linear = nn.ModuleDict({str(size): skip_init(nn.Linear, size, LINEAR) for size in sizes})
        self.dense = skip_init(nn.Linear, LINEAR, DENSE)
        self.heads = nn.ModuleDict({f"ways{n}": Head(DENSE, n) for n in {s.ways for s in specs}})

    def forward(self, x: Tensor, arch: Mapping[str, Tensor], spec: TaskSpec, *, head: bool = True) -> Tensor:
        """x (B, bands, frames) to logits (B, ways), or without the head to features (B, DENSE).

        `arch` is not used.
        """
        h, _ = self.entry(x)
        bands, frames = (max(0, least - side) for least, side in zip(LEAST, h.shape[-2:], strict=True))
        h = F.pad(h, (0, frames, 0, bands))
        h = self.norms[0](F.conv2d(h, self.first), None).relu()
        h = F.max_pool2d(h, (POOLED, 1))
        h = self.norms[1](F.conv2d(h, self.second), None).relu().flatten(1)
        features = self.dense(self.linear[str(h.shape[1])](h).relu()).sigmoid()
        return self.heads[f"ways{spec.ways}"](features) if head else features


def _positions(spec: TaskSpec) -> int:
    """Positions of the last feature map."""
    bands, frames = (max(side, least) for side, least in zip(spec.input_shape, LEAST, strict=True))
    return ((bands - FIRST[0] + 1) // POOLED - SECOND[0] + 1) * (frames - FIRST[1] - SECOND[1] + 2)
