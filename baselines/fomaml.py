"""First-order MAML: MAML without the second derivatives.

Finn, Abbeel, Levine (ICML 2017), sec. 5.2: the meta-gradient is the query loss's gradient at the adapted
parameters.
"""

from dataclasses import dataclass

from baselines.maml import Maml
from metanas.method import METHODS


@METHODS.register("fomaml")
class FoMaml(Maml):
    """First-order MAML on weights and architecture (Finn et al., 2017, sec. 5.2)."""

    @dataclass(frozen=True)
    class Settings(Maml.Settings):
        """As MAML's."""

        second_order: bool = False
