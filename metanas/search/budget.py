"""Budgets of an architecture, as settings: `--set cost.macs=1e6`. Torch-free; priced in `cost.py`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """Budgets per example, 0 for none, and what it costs to exceed one.

    macs: of the whole network. parameters: of layers and exit. milliseconds: of the layers, by the latencies
    measured on this machine. weight: loss for twice the budget.
    """

    macs: float = 0
    parameters: float = 0
    milliseconds: float = 0
    weight: float = 1.0

    def __post_init__(self) -> None:
        for name in ("macs", "parameters", "milliseconds", "weight"):
            if getattr(self, name) < 0:
                raise ValueError(f"cost.{name} must be 0 (no budget) or positive, got {getattr(self, name)}")
