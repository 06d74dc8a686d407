"""Search by the gradient's norm at initialisation: a zero-cost fitness, then training of the best.

Abdelfattah, Mehrotra, Dudziak, Lane: Zero-Cost Proxies for Lightweight NAS (ICLR 2021), sec. 3.2; all else
as in `naswot.py`.
"""

from typing import ClassVar

from baselines.naswot import NasWot
from metanas.method import METHODS


@METHODS.register("grad-norm")
class GradNorm(NasWot):
    """Random search by the gradient's norm of untrained networks (Abdelfattah et al., 2021)."""

    proxy: ClassVar[str] = "grad-norm"
