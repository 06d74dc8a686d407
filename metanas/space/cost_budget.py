"""The cost budget of a search as settings, for example `--set cost.macs=1e6`. Torch-free.

`metanas/search/cost.py` computes the penalty from it.
"""

from dataclasses import dataclass
from typing import Annotated

from metanas.base.errors import InvalidValue
from metanas.base.ranges import Range, Weight

Amount = Annotated[float, Range(least=0, finite=False)]  # infinity never binds, as 0


@dataclass(frozen=True)
class Cost:
    """Budgets of a network per example (0: no budget) and the weight of the penalty for exceeding them.

    macs: multiply-accumulates of the whole network. parameters: of layers and exit. milliseconds: of the
    layers, from latencies measured on this machine. weight: the loss added at twice a budget.
    InvalidValue if any is negative.
    """

    macs: Amount = 0
    parameters: Amount = 0
    milliseconds: Amount = 0
    weight: Weight = 1.0

    def __post_init__(self) -> None:
        for name in ("macs", "parameters", "milliseconds", "weight"):
            if not getattr(self, name) >= 0:
                raise InvalidValue(
                    f"cost.{name} must be 0 (no budget) or positive, got {getattr(self, name)}"
                )
