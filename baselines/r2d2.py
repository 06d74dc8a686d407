"""R2-D2: ridge regression on the support set's features, differentiated in closed form.

Bertinetto, Henriques, Torr, Vedaldi: Meta-learning with differentiable closed-form solvers (ICLR 2019), eq.
4-6: the outer loop learns the features, the ridge penalty and the scale of the logits. Where we differ: the
network is the supernet by default (the paper: four convolutions of 96 to 512 filters), its architecture is
learned by the same loss, and logits have no learned bias, which a softmax ignores.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from metanas.base.ranges import Limit, Rate
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.meta.given_arch import embed_with, fixed_archs
from metanas.meta.loss import cross_entropy
from metanas.meta.optimizers import adam
from metanas.meta.outer import descend, leaves, over_domains, pack
from metanas.meta.prototypes import answering, embed
from metanas.meta.ridge import ridge_head, start_ridge
from metanas.method import METHODS, Adapted, Method, Metrics, Progress, State
from metanas.models.build import build
from metanas.models.relaxation import as_softmax
from metanas.models.supernet import SuperNet
from metanas.params import Params, Tensors, group_of
from metanas.space.network_config import NetworkConfig
from metanas.space.space import SearchSpace


@METHODS.register("r2d2")
class R2D2(Method):
    """Ridge regression heads on learned features (Bertinetto et al., 2019)."""

    transductive = False
    trains = True

    @dataclass(frozen=True)
    class Settings:
        """weight_rate, arch_rate, head_rate: of Adam, linear to 0. clip: the largest norm of a gradient."""

        network: NetworkConfig = field(default_factory=NetworkConfig)
        space: SearchSpace = field(default_factory=SearchSpace)
        weight_rate: Rate = 3e-3
        arch_rate: Rate = 1e-2
        head_rate: Rate = 1e-2
        clip: Limit = 1.0

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        self.settings = settings
        self.net = build(settings.network, settings.space, specs)
        self.transductive = settings.network.transductive

    def start(self, generator: torch.Generator) -> State:
        return pack(self.net.init(generator)) | start_ridge()

    def step(self, state: State, progress: Progress, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        s = self.settings
        learner = leaves(state, ("weights", "arch", "head"))
        names = sorted(learner)  # a checkpoint may change the order

        def gradient(episodes: Episodes) -> tuple[Tensors, Tensor]:
            head = self._head(learner, episodes.spec, episodes.support)
            logits = self._embed(learner, episodes.spec, episodes.query.x) @ head
            loss = cross_entropy(logits, episodes.query.y).mean()
            at = [learner[name] for name in names]
            partials = torch.autograd.grad(loss, at, materialize_grads=True, allow_unused=True)
            return dict(zip(names, partials, strict=True)), loss.detach()

        gradients, losses = over_domains(batch, gradient, limit=s.clip)
        rates = {"weights": s.weight_rate, "arch": s.arch_rate, "head": s.head_rate}
        return descend(state, gradients, lambda n: adam(rates[group_of(n)] * progress.remaining)), losses

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        arch = as_softmax(self.settings.space, state.params.arch, spec)
        adapted = {name: t.expand(len(support.y), *t.shape) for name, t in arch.items()}
        return self._answering(state, spec, support, None, adapted)

    def adapt_with(self, state: State, spec: TaskSpec, support: Batch, arch: Tensors) -> Adapted | None:
        if not isinstance(self.net, SuperNet):
            return None
        return self._answering(state, spec, support, arch, arch)

    def fixed_archs(self, state: State, spec: TaskSpec) -> dict[str, Tensors]:
        return fixed_archs(self.net, state.group("arch"), spec)

    def _answering(
        self, state: State, spec: TaskSpec, support: Batch, arch: Tensors | None, shown: Tensors
    ) -> Adapted:
        """T tasks with their heads. arch: given ones (T, ...); None: the learned one."""
        with torch.no_grad():
            head = self._head(state, spec, support, arch)

        @torch.no_grad()
        def predict(x: Tensor) -> Tensor:
            return (self._embed(state, spec, x, arch) @ head).softmax(-1)

        bias = head.new_zeros(head.shape[0], head.shape[2])
        return Adapted(predict, shown, answering(self.net, state.params, head.mT, bias))

    def _embed(self, state: State, spec: TaskSpec, x: Tensor, arch: Tensors | None = None) -> Tensor:
        if arch is not None and isinstance(self.net, SuperNet):
            return embed_with(self.net, state.group("weights"), spec, x, arch)
        params = Params(state.group("weights"), state.group("arch"))
        return embed(self.net, params, spec, x, apart=self.transductive)

    def _head(self, state: State, spec: TaskSpec, support: Batch, arch: Tensors | None = None) -> Tensor:
        """Weights (T, F, ways) that give logits."""
        features = self._embed(state, spec, support.x, arch)
        head = ridge_head(features, support, spec.ways, state["head/penalty"].exp())
        return state["head/scale"].exp() * head
