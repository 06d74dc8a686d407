"""A random architecture, meta-trained by MAML: the control for every search.

Yu et al. (ICLR 2020, "Evaluating the Search Phase of Neural Architecture Search") and Li and Talwalkar (UAI
2019): searches often fail to beat it. One architecture of the space per seed, all equally likely.
"""

from dataclasses import dataclass, field

import torch

from baselines.maml import Maml
from metanas.data.episode import Batch, TaskSpec
from metanas.meta.inner import What
from metanas.meta.outer import pack
from metanas.method import METHODS, Adapted, State
from metanas.params import Params, Tensors
from metanas.search.discretize import logits_of, single
from metanas.search.variation import sample
from metanas.space.space import SearchSpace


@METHODS.register("random-arch")
class RandomArch(Maml):
    """MAML on one architecture drawn at random (Li and Talwalkar, 2019)."""

    @dataclass(frozen=True)
    class Settings(Maml.Settings):
        """As MAML's."""

        space: SearchSpace = field(default_factory=SearchSpace)  # one architecture for all domains
        adapts: What = "weights"

    relax = staticmethod(single)

    def start(self, generator: torch.Generator) -> State:
        logits = logits_of(self.settings.space, sample(self.settings.space, generator))
        return pack(Params(self.net.init(generator).weights, logits))

    def adapt_with(self, state: State, spec: TaskSpec, support: Batch, arch: Tensors) -> Adapted | None:
        return None  # there is no other architecture

    def fixed_archs(self, state: State, spec: TaskSpec) -> dict[str, Tensors]:
        return {}
