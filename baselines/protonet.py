"""Prototypical networks on the supernet: the nearest class mean in a learned feature space.

Snell, Swersky, Zemel: Prototypical Networks for Few-shot Learning (NeurIPS 2017), eq. 1-2, squared
Euclidean distance. Where we differ: the embedding is the supernet with its architecture learned by the
same loss in the outer loop (nothing adapts to a task but the class means), and the distance is the mean
over features times `sharpness`, which only sets the softmax's starting temperature.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from metanas.episode import Batch, Episodes, TaskSpec
from metanas.kinds import METHODS
from metanas.meta.outer import begin, by_group, descend, mean, params_of
from metanas.meta.rule import adam, clipped
from metanas.method import Adapted, Method, Metrics, Moment, State
from metanas.params import Params, detach, tensors
from metanas.supernet.fixed import network
from metanas.supernet.space import SearchSpace


@METHODS.register("protonet")
class ProtoNet(Method):
    """Prototypical networks (Snell et al., 2017)."""

    transductive = False
    trains = True

    @dataclass(frozen=True)
    class Settings:
        """Outer rates, linearly to 0."""

        space: SearchSpace = field(default_factory=SearchSpace)
        weight_rate: float = 3e-3
        arch_rate: float = 1e-2
        sharpness: float = 8.0

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        self.settings = settings
        self.net = network(settings.space, specs)

    def start(self, generator: torch.Generator) -> State:
        params = self.net.init(generator)
        return begin(params, by_group(params, adam(0.0), adam(0.0)))

    def step(self, state: State, moment: Moment, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        params, parts, losses = detach(params_of(state)), [], {}
        for episodes in batch:
            means = self._prototypes(params, episodes.spec, episodes.support)
            logits = self._logits(params, episodes.spec, means, episodes.query.x)
            loss = F.cross_entropy(logits.flatten(0, 1), episodes.query.y.flatten())
            found = torch.autograd.grad(loss, tensors(params), allow_unused=True)
            at = tensors(params)
            parts.append([torch.zeros_like(x) if g is None else g for x, g in zip(at, found, strict=True)])
            losses[episodes.spec.name] = float(loss.detach())
        s, left = self.settings, moment.left
        rules = by_group(params, adam(s.weight_rate * left), adam(s.arch_rate * left))
        return descend(state, clipped(mean(parts), 1.0), rules), losses

    @torch.no_grad()
    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        params = params_of(state)
        means = self._prototypes(params, spec, support)

        @torch.no_grad()
        def predict(x: Tensor) -> Tensor:
            return self._logits(params, spec, means, x).softmax(-1)

        tasks = support.y.shape[0]
        return Adapted(predict, {name: t.expand(tasks, *t.shape) for name, t in params.arch.items()})

    def _embed(self, params: Params, spec: TaskSpec, x: Tensor) -> Tensor:
        """(T, B, *input_shape) to (T, B, F); all tasks share the network, so they are one big batch."""
        inputs = (x.flatten(0, 1), params.arch, spec)
        flat = functional_call(self.net, params.weights, inputs, {"head": False})
        return flat.unflatten(0, x.shape[:2])

    def _prototypes(self, params: Params, spec: TaskSpec, support: Batch) -> Tensor:
        """Class means (T, ways, F)."""
        of_class = F.one_hot(support.y, spec.ways).transpose(1, 2).float()  # (T, ways, B)
        return of_class @ self._embed(params, spec, support.x) / of_class.sum(-1, keepdim=True)

    def _logits(self, params: Params, spec: TaskSpec, means: Tensor, x: Tensor) -> Tensor:
        """Negative squared distances (T, Q, ways)."""
        features = self._embed(params, spec, x)
        return -self.settings.sharpness * (features[:, :, None] - means[:, None]).square().mean(-1)
