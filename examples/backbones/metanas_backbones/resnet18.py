"""torchvision's ResNet-18 (He et al., 2016) as a backbone for images.

Weights are a state dict of `torchvision.models.resnet18`, with its classifier `fc` or without. Those of
ImageNet are what `resnet18(weights="IMAGENET1K_V1")` downloads; its classes overlap with those of many image
sets, which `overlaps_with` in entry.json has to say. timm works the same way: `timm.create_model(name,
num_classes=0)` makes an encoder that returns features.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import resnet18

from metanas import NETWORKS, NetworkConfig
from metanas.models.pretrained import Pretrained, fill

SIDE = 64  # smallest side of an image: the network halves it five times


@NETWORKS.register("resnet18")
class ResNet18(Pretrained):
    """torchvision's ResNet-18 with weights from a file (He et al., 2016)."""

    modality = "image"

    @classmethod
    def encoder(cls, config: NetworkConfig) -> nn.Module:
        """Images (B, 3, H, W) to features (B, 512)."""
        with torch.device("meta"):  # its own random weights would cost half a second
            network = resnet18()
        network.fc = nn.Identity()
        return fill(network.to_empty(device="cpu"), config, leave_out="fc.")

    def prepared(self, x: Tensor) -> Tensor:
        """Grey images get three channels, small ones are enlarged; mean 0 and deviation 1 as in training."""
        x = x.expand(-1, 3, -1, -1)
        if min(x.shape[-2:]) < SIDE:
            x = F.interpolate(x, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
        return x
