"""The hand-made chain C-P-P-P-F, meta-trained by MAML: a fixed architecture as a control for the search.

Convolution, pooling three times, fully connected, as `supernet/architecture.py` reads it; only weights adapt.
"""

from dataclasses import dataclass, field

from baselines.maml import Maml
from metanas.kinds import METHODS
from metanas.meta.inner import What
from metanas.supernet.space import SearchSpace


@METHODS.register("cpppf")
class Cpppf(Maml):
    """MAML on the fixed chain C-P-P-P-F."""

    @dataclass(frozen=True)
    class Settings(Maml.Settings):
        """As MAML's."""

        space: SearchSpace = field(default_factory=lambda: SearchSpace(architecture="C-P-P-P-F"))
        adapts: What = "weights"
