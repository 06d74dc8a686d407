"""Linear probe: pretrained features as they are, and a logistic regression on them for every task.

Chen et al. (ICLR 2019), "Baseline", which keeps the feature extractor as it is; also Tian et al., Rethinking
Few-shot Image Classification (ECCV 2020). The regression is `test_steps` steps of Adam from zero, not run to
its end.
"""

from dataclasses import dataclass

from baselines.finetune import FineTune
from metanas.kinds import METHODS
from metanas.meta.inner import What


@METHODS.register("linear-probe")
class LinearProbe(FineTune):
    """A linear classifier on frozen, pretrained features (Chen et al., 2019)."""

    @dataclass(frozen=True)
    class Settings(FineTune.Settings):
        """As finetune's."""

        adapts: What = "head"
        test_steps: int = 50
        weight_rate: float = 1e-2
