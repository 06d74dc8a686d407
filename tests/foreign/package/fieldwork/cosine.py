"""A method: the nearest class mean by the cosine of learned features."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from metanas import (
    METHODS,
    Adapted,
    Batch,
    Episodes,
    Method,
    NetworkConfig,
    Progress,
    SearchSpace,
    State,
    TaskSpec,
)
from metanas.base.ranges import Limit, Positive, Rate
from metanas.meta.optimizers import adam
from metanas.meta.outer import descend, leaves, over_domains, pack
from metanas.meta.prototypes import embed, prototypes
from metanas.models.build import build


@METHODS.register("field-cosine")
class Cosine(Method):
    """Nearest class mean in cosine (as Gidaris and Komodakis, 2018, without their attention)."""

    transductive = False
    trains = True

    @dataclass(frozen=True)
    class Settings:
        """rate: of Adam, linear to 0. sharpness: factor on the cosines. clip: largest norm of a gradient."""

        network: NetworkConfig = field(default_factory=NetworkConfig)
        space: SearchSpace = field(default_factory=SearchSpace)
        rate: Rate = 3e-3
        sharpness: Positive = 10.0
        clip: Limit = 1.0

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        self.settings = settings
        self.net = build(settings.network, settings.space, specs)
        self.transductive = settings.network.transductive

    def start(self, generator: torch.Generator) -> State:
        return pack(self.net.init(generator))

    def step(
        self, state: State, progress: Progress, batch: Sequence[Episodes]
    ) -> tuple[State, dict[str, Tensor]]:
        learned = leaves(state, ("weights", "arch"))

        def gradient(episodes: Episodes) -> tuple[dict[str, Tensor], Tensor]:
            means = self._means(learned, episodes.spec, episodes.support)
            logits = self._compare(learned, episodes.spec, means, episodes.query.x)
            loss = F.cross_entropy(logits.flatten(0, 1), episodes.query.y.flatten())
            partials = torch.autograd.grad(
                loss, list(learned.values()), materialize_grads=True, allow_unused=True
            )
            return dict(zip(learned, partials, strict=True)), loss.detach()

        gradients, losses = over_domains(batch, gradient, limit=self.settings.clip)
        return descend(state, gradients, lambda name: adam(self.settings.rate * progress.remaining)), losses

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        with torch.no_grad():
            means = self._means(state, spec, support)

        @torch.no_grad()
        def predict(x: Tensor) -> Tensor:
            return self._compare(state, spec, means, x).softmax(-1)

        return Adapted(predict)

    def _embed(self, state: State, spec: TaskSpec, x: Tensor) -> Tensor:
        """x (T, B, *input_shape) to features of length 1 (T, B, F)."""
        return F.normalize(embed(self.net, state.params, spec, x, apart=self.transductive), dim=-1)

    def _means(self, state: State, spec: TaskSpec, support: Batch) -> Tensor:
        """The classes' means of the support set, of length 1 (T, ways, F)."""
        return F.normalize(prototypes(self._embed(state, spec, support.x), support, spec.ways), dim=-1)

    def _compare(self, state: State, spec: TaskSpec, means: Tensor, x: Tensor) -> Tensor:
        """Logits (T, Q, ways) of queries x (T, Q, *input_shape)."""
        return self.settings.sharpness * self._embed(state, spec, x) @ means.mT
