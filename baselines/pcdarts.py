"""PC-DARTS on each task from scratch: as `darts`, with a mixture on a part of the channels only.

Xu, Xie, Zhang, Chen, Qi, Tian, Xiong: PC-DARTS: Partial Channel Connections (ICLR 2020): 1/4 of the channels
go through the candidates, edges are normalised (in spaces of cells), the architecture does not move at
first (theirs: 15 of 50 epochs).
"""

from dataclasses import dataclass, field

from baselines.darts import Darts
from metanas.base.ranges import Share
from metanas.method import METHODS
from metanas.space.space import SearchSpace


@METHODS.register("pcdarts")
class PcDarts(Darts):
    """Search on a quarter of the channels, on each task from scratch (Xu et al., 2020)."""

    @dataclass(frozen=True)
    class Settings(Darts.Settings):
        """As darts'."""

        space: SearchSpace = field(default_factory=lambda: SearchSpace(partial=4))
        warm_up: Share = 0.3
