"""Search by synaptic flow at initialisation: a zero-cost fitness, then training of the best.

Tanaka, Kunin, Yamins, Ganguli: Pruning Neural Networks without Any Data by Iteratively Conserving Synaptic
Flow (NeurIPS 2020), as a proxy in Abdelfattah et al. (ICLR 2021); all else as in `naswot.py`.
"""

from typing import ClassVar

from baselines.naswot import NasWot
from metanas.method import METHODS


@METHODS.register("synflow")
class SynFlow(NasWot):
    """Random search by synaptic flow of untrained networks (Tanaka et al., 2020)."""

    proxy: ClassVar[str] = "synflow"
