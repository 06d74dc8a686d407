"""MAML by learn2learn: an independent implementation, on our networks and episodes.

Arnold, Mahajan, Datta, Bunner, Zarkias: learn2learn, A Library for Meta-Learning Research (2020). The
architecture logits stay as they are initialised: learn2learn adapts a module's parameters, which they are
not. PluginError where learn2learn is not installed.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metanas.base.plugins import PluginError
from metanas.base.ranges import Count, Limit, Rate, Steps
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.meta.optimizers import FunctionalOptimizer, adam
from metanas.meta.outer import descend, over_domains, pack
from metanas.method import METHODS, Adapted, Method, Metrics, Progress, State
from metanas.models.build import build
from metanas.models.network import Network
from metanas.params import Params, Tensors
from metanas.space.network_config import NetworkConfig
from metanas.space.space import SearchSpace


@METHODS.register("l2l-maml")
class L2lMaml(Method):
    """learn2learn's MAML on our network (Arnold et al., 2020); needs metanas[l2l]."""

    transductive = False
    trains = True

    @dataclass(frozen=True)
    class Settings:
        """As `maml`'s, so that the two can be compared."""

        network: NetworkConfig = field(default_factory=NetworkConfig)
        space: SearchSpace = field(default_factory=SearchSpace)
        second_order: bool = True
        steps: Count = 2
        test_steps: Steps = 2
        weight_rate: Rate = 0.1
        outer_weight_rate: Rate = 3e-3
        clip: Limit = 1.0

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        self.settings, self.algorithms = settings, _learn2learn().algorithms
        self.net = build(settings.network, settings.space, specs)
        self.transductive = settings.network.transductive

    def start(self, generator: torch.Generator) -> State:
        return pack(self.net.init(generator))

    def step(self, state: State, progress: Progress, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        def gradient(episodes: Episodes) -> tuple[Tensors, Tensor]:
            model = self.model(state, episodes.spec)
            tasks = len(episodes.support.y)
            losses = []
            for task in range(tasks):
                learner = self._adapted(
                    model, episodes.support.x[task], episodes.support.y[task], training=True
                )
                loss = F.cross_entropy(learner(episodes.query.x[task]), episodes.query.y[task]) / tasks
                loss.backward()
                losses.append(loss.detach())
            return self.gradients(model), torch.stack(losses).sum()

        gradients, losses = over_domains(batch, gradient, limit=self.settings.clip)
        return descend(state, gradients, lambda name: self.outer(progress)), losses

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        model = self.model(state, spec)
        pairs = zip(support.x, support.y, strict=True)
        learners = [self._adapted(model, x, y, training=False) for x, y in pairs]

        @torch.no_grad()
        def predict(x: Tensor) -> Tensor:
            return torch.stack([f(queries).softmax(-1) for f, queries in zip(learners, x, strict=True)])

        return Adapted(predict)

    def model(self, state: State, spec: TaskSpec) -> Any:
        """learn2learn's MAML around the network with the state's parameters."""
        s = self.settings
        return self.algorithms.MAML(
            FixedArch(self.net, state.params, spec),
            lr=s.weight_rate,
            first_order=not s.second_order,
            allow_unused=True,
            allow_nograd=True,
        )

    def _adapted(self, model: Any, x: Tensor, y: Tensor, *, training: bool) -> Any:
        """A clone after the inner steps on one task's support set: x (B, *input_shape), y (B,)."""
        learner = model.clone()
        for _ in range(self.settings.steps if training else self.settings.test_steps):
            learner.adapt(F.cross_entropy(learner(x), y))
        return learner

    def gradients(self, model: Any) -> Tensors:
        """The gradients that `backward` accumulated in the wrapper, by the state's names."""
        return gradients_of(model.module)

    def outer(self, progress: Progress) -> FunctionalOptimizer:
        """The outer optimizer: Adam at a rate that falls linearly to 0."""
        return adam(self.settings.outer_weight_rate * progress.remaining)


class FixedArch(nn.Module):
    """A network with parameters of its own and a fixed architecture, for tasks of one spec."""

    def __init__(self, net: Network, params: Params, spec: TaskSpec) -> None:
        super().__init__()
        self.call, self.spec = [net], spec  # in a list: its parameters are not ours
        self.arch = params.arch
        self.values = nn.ParameterDict({_flat(name): nn.Parameter(t) for name, t in params.weights.items()})

    def forward(self, x: Tensor) -> Tensor:
        """x (B, *input_shape) to logits (B, ways)."""
        return self.run(x, dict(self.values))

    def run(self, x: Tensor, values: Mapping[str, Tensor]) -> Tensor:
        """Logits (B, ways) of x (B, *input_shape) with these parameters, by their names without dots."""
        weights = {name.replace("|", "."): t for name, t in values.items()}
        logits: Tensor = torch.func.functional_call(self.call[0], weights, (x, self.arch, self.spec))
        return logits


def gradients_of(module: nn.Module) -> Tensors:
    """The gradients of the parameters in a module's `values`, by the state's names."""
    parameters = module.named_parameters()
    return {name_in_state(name): p.grad for name, p in parameters if p.grad is not None}


def _flat(name: str) -> str:
    """A parameter's name without dots, which a ParameterDict does not allow."""
    return name.replace(".", "|")


def name_in_state(name: str) -> str:
    """The state's name of a parameter: `values.nodes|0|weight` is `weights/nodes.0.weight`."""
    return "weights/" + name.removeprefix("values.").replace("|", ".")


def _learn2learn() -> ModuleType:
    """The library. PluginError names the extra that installs it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import learn2learn as library
    except ImportError as error:
        raise PluginError(f"learn2learn is not installed ({error}); pip install 'metanas[l2l]'") from error
    module: ModuleType = library
    return module
