"""Linear probe: a logistic regression on frozen pretrained features, for each task.

Chen et al. (ICLR 2019), "Baseline", which freezes the feature extractor; also Tian et al., Rethinking
Few-shot Image Classification (ECCV 2020). The regression takes `test_steps` steps of Adam from zero, not run
to convergence.
"""

from dataclasses import dataclass

from baselines.finetune import FineTune
from metanas.base.ranges import Rate, Steps
from metanas.meta.inner import What
from metanas.method import METHODS


@METHODS.register("linear-probe")
class LinearProbe(FineTune):
    """A linear classifier on frozen, pretrained features (Chen et al., 2019)."""

    @dataclass(frozen=True)
    class Settings(FineTune.Settings):
        """As finetune's."""

        adapts: What = "head"
        test_steps: Steps = 50
        weight_rate: Rate = 1e-2
