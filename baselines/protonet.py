"""Prototypical networks: classification by the nearest class mean in a learned feature space.

Snell, Swersky, Zemel: Prototypical Networks for Few-shot Learning (NeurIPS 2017), eq. 1-2, squared
Euclidean distance. Where we differ: on the supernet the architecture is learned by the same loss in the
outer loop (nothing adapts to a task but the class means), and the distance is the mean over features times
`sharpness`, which only sets the softmax's starting temperature (0: the sum over features, as in the paper).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from metanas.base.ranges import Limit, NonNegative, Number, Rate, Share
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.meta.augmented import Augmentation, augmented
from metanas.meta.given_arch import embed_with, fixed_archs
from metanas.meta.loss import is_static
from metanas.meta.optimizers import adam
from metanas.meta.outer import descend, leaves, over_domains, pack, partials
from metanas.meta.prototypes import answering, embed, nearest_mean, prototypes
from metanas.meta.replay import Replay
from metanas.method import METHODS, Adapted, Method, Metrics, Progress, State
from metanas.models.build import build
from metanas.models.relaxation import as_softmax
from metanas.models.supernet import SuperNet
from metanas.params import Params, Tensors, group_of, named_tensors
from metanas.space.network_config import NetworkConfig
from metanas.space.space import SearchSpace


@METHODS.register("protonet")
class ProtoNet(Method):
    """Prototypical networks (Snell et al., 2017)."""

    transductive = False
    trains = True

    before = {"bands": 0.2, "tempo": 0.25}

    @dataclass(frozen=True)
    class Settings:
        """weight_rate, arch_rate: of Adam. decay: linear to 0, or halved `halvings` times in equal stretches.

        sharpness: factor on the distances (see above). voices, letters: shares of meta-training tasks that
        are augmented; masks: of those in other voices; bands, tempo: by what share these are stretched at
        most (`meta/augmented.py`). clip: the largest norm of a gradient.
        """

        network: NetworkConfig = field(default_factory=NetworkConfig)
        space: SearchSpace = field(default_factory=SearchSpace)
        weight_rate: Rate = 3e-3
        arch_rate: Rate = 1e-2
        sharpness: NonNegative = 8.0
        decay: Literal["linear", "halve"] = "linear"
        halvings: Number = 5
        voices: Share = 0.0
        letters: Share = 0.0
        masks: Share = 1.0
        bands: Share = 0.1
        tempo: Share = 0.1
        clip: Limit = 1.0

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        self.settings = settings
        self.net = build(settings.network, settings.space, specs)
        self.transductive = settings.network.transductive
        self.replay = Replay(self.net)

    def start(self, generator: torch.Generator) -> State:
        return pack(self.net.init(generator))

    def step(self, state: State, progress: Progress, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        s = self.settings
        shares = Augmentation(s.voices, s.letters, s.masks, s.bands, s.tempo)
        batch = [augmented(episodes, shares, 0, progress.iteration) for episodes in batch]

        def compute(learned: State, episodes: Episodes) -> tuple[Tensors, Tensor]:
            params = learned.params
            logits = self.logits(params, episodes.spec, episodes.support, episodes.query.x)
            loss = F.cross_entropy(logits.flatten(0, 1), episodes.query.y.flatten())
            return partials(loss, named_tensors(params)), loss.detach()

        factor = (
            progress.remaining
            if s.decay == "linear"
            else 0.5 ** int((1 - progress.remaining) * (s.halvings + 1))
        )
        rates = {"weights": s.weight_rate * factor, "arch": s.arch_rate * factor}
        learned = leaves(state, ("weights", "arch"))
        kind = "step" if is_static(self.net) else None
        gradients, losses = over_domains(
            batch, lambda episodes: self.replay(kind, compute, learned, episodes), limit=s.clip
        )
        return descend(state, gradients, lambda name: adam(rates[group_of(name)])), losses

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        arch = as_softmax(self.settings.space, state.params.arch, spec)
        each = {name: t.expand(len(support.y), *t.shape) for name, t in arch.items()}
        return self._compare_with(state.params, spec, support, None, each)

    def adapt_with(self, state: State, spec: TaskSpec, support: Batch, arch: Tensors) -> Adapted | None:
        if not isinstance(self.net, SuperNet):
            return None
        return self._compare_with(state.params, spec, support, arch, arch)

    @torch.no_grad()
    def _compare_with(
        self, params: Params, spec: TaskSpec, support: Batch, arch: Tensors | None, shown: Tensors
    ) -> Adapted:
        """Embed the support set, with which queries are then compared. arch: as of `embed`."""
        known = self.known(Batch(self.embed(params, spec, support.x, arch), support.y), spec.ways)

        @torch.no_grad()
        def predict(x: Tensor) -> Tensor:
            return self.compared(known, self.embed(params, spec, x, arch)).softmax(-1)

        return Adapted(predict, shown, self.linear(params, known))

    def fixed_archs(self, state: State, spec: TaskSpec) -> dict[str, Tensors]:
        return fixed_archs(self.net, state.group("arch"), spec)

    def embed(self, params: Params, spec: TaskSpec, x: Tensor, arch: Tensors | None) -> Tensor:
        """x (T, B, *input_shape) to features (T, B, F). arch: given architectures; None: the learned one."""
        if arch is not None and isinstance(self.net, SuperNet):
            return embed_with(self.net, params.weights, spec, x, arch)
        return embed(self.net, params, spec, x, apart=self.transductive)

    def logits(self, params: Params, spec: TaskSpec, support: Batch, x: Tensor) -> Tensor:
        """Logits (T, Q, ways): negative squared distances of queries x (T, Q, ...) to the class means."""
        known = self.known(Batch(self.embed(params, spec, support.x, None), support.y), spec.ways)
        return self.compared(known, self.embed(params, spec, x, None))

    def known(self, support: Batch, ways: int) -> tuple[Tensor, ...]:
        """What queries are compared with, from support features x (T, B, F): class means (T, ways, F)."""
        return (prototypes(support.x, support, ways),)

    def linear(self, params: Params, known: tuple[Tensor, ...]) -> Tensors | None:
        """Weights (T, ...) with which the network itself answers as `compared`; None if it cannot."""
        (means,) = known
        scale = self.settings.sharpness / means.shape[-1] or 1.0
        return answering(self.net, params, *nearest_mean(means, scale))

    def compared(self, known: tuple[Tensor, ...], queries: Tensor) -> Tensor:
        """Logits (T, Q, ways) of query features (T, Q, F)."""
        (means,) = known
        squares = (queries[:, :, None] - means[:, None]).square()
        return (
            -squares.sum(-1) if self.settings.sharpness == 0 else -self.settings.sharpness * squares.mean(-1)
        )
