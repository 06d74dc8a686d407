"""The fixed chain C-P-F, meta-trained by MAML: a hand-made control for the search.

Convolution, pooling, fully connected, in the letters of `space/architecture.py`; only the weights adapt.
"""

from dataclasses import dataclass, field

from baselines.maml import Maml
from metanas.meta.inner import What
from metanas.method import METHODS
from metanas.space.space import SearchSpace


@METHODS.register("cpf")
class Cpf(Maml):
    """MAML on the fixed chain C-P-F."""

    @dataclass(frozen=True)
    class Settings(Maml.Settings):
        """As MAML's."""

        space: SearchSpace = field(default_factory=lambda: SearchSpace(architecture="C-P-F"))
        adapts: What = "weights"
