"""ANIL, "almost no inner loop": MAML in which only the classifier adapts to a task.

Raghu, Raghu, Bengio, Vinyals: Rapid Learning or Feature Reuse? Towards Understanding the Effectiveness of
MAML (ICLR 2020), eq. 2. The features and the architecture are learned in the outer loop alone.
"""

from dataclasses import dataclass

from baselines.maml import Maml
from metanas.meta.inner import What
from metanas.method import METHODS


@METHODS.register("anil")
class Anil(Maml):
    """MAML whose inner loop moves the head alone (Raghu et al., 2020)."""

    @dataclass(frozen=True)
    class Settings(Maml.Settings):
        """As MAML's."""

        adapts: What = "head"
