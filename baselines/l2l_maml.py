"""MAML by learn2learn: its own algorithm on our network and episodes, an independent implementation.

Arnold, Mahajan, Datta, Bunner, Zarkias: learn2learn, A Library for Meta-Learning Research (2020). The
architecture stays as it starts: learn2learn adapts a module's parameters, and logits are none.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metanas.episode import Batch, Episodes, TaskSpec
from metanas.kinds import METHODS
from metanas.meta.outer import descend, over_domains, pack, params_of
from metanas.meta.rule import UpdateRule, adam
from metanas.method import Adapted, Method, Metrics, Moment, State
from metanas.networks.choice import Choice, build
from metanas.networks.network import Network
from metanas.params import Params, Tensors
from metanas.plugins import PluginError
from metanas.supernet.space import SearchSpace


@METHODS.register("l2l-maml")
class L2lMaml(Method):
    """learn2learn's MAML on our network (Arnold et al., 2020); needs metanas[l2l]."""

    transductive = False
    trains = True

    @dataclass(frozen=True)
    class Settings:
        """As `maml`'s, so that the two can be compared."""

        network: Choice = field(default_factory=Choice)
        space: SearchSpace = field(default_factory=SearchSpace)
        second_order: bool = True
        steps: int = 2
        test_steps: int = 2
        weight_rate: float = 0.1
        outer_weight_rate: float = 3e-3
        clip: float = 1.0

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        self.settings, self.algorithms = settings, learn2learn().algorithms
        self.net = build(settings.network, settings.space, specs)
        self.transductive = settings.network.transductive

    def start(self, generator: torch.Generator) -> State:
        return pack(self.net.init(generator))

    def step(self, state: State, moment: Moment, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        def gradient(episodes: Episodes) -> tuple[Tensors, float]:
            model = self.model(state, episodes.spec)
            total, tasks = 0.0, len(episodes.support.y)
            for task in range(tasks):
                learner = self.adapted(
                    model, episodes.support.x[task], episodes.support.y[task], training=True
                )
                loss = F.cross_entropy(learner(episodes.query.x[task]), episodes.query.y[task]) / tasks
                loss.backward()
                total += float(loss.detach())
            return self.gradients(model), total

        gradients, losses = over_domains(batch, gradient, limit=self.settings.clip)
        return descend(state, gradients, lambda name: self.outer(moment)), losses

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        model = self.model(state, spec)
        pairs = zip(support.x, support.y, strict=True)
        learners = [self.adapted(model, x, y, training=False) for x, y in pairs]

        @torch.no_grad()
        def predict(x: Tensor) -> Tensor:
            return torch.stack([f(each).softmax(-1) for f, each in zip(learners, x, strict=True)])

        return Adapted(predict)

    def model(self, state: State, spec: TaskSpec) -> Any:
        """learn2learn's wrapper of the network with the state's numbers."""
        s = self.settings
        return self.algorithms.MAML(
            Fixed(self.net, params_of(state), spec),
            lr=s.weight_rate,
            first_order=not s.second_order,
            allow_unused=True,
            allow_nograd=True,
        )

    def adapted(self, model: Any, x: Tensor, y: Tensor, *, training: bool) -> Any:
        """A clone that took the inner steps on one task's support."""
        learner = model.clone()
        for _ in range(self.settings.steps if training else self.settings.test_steps):
            learner.adapt(F.cross_entropy(learner(x), y))
        return learner

    def gradients(self, model: Any) -> Tensors:
        """What `backward` left in the wrapper, by the state's names."""
        return left_in(model.module)

    def outer(self, moment: Moment) -> UpdateRule:
        return adam(self.settings.outer_weight_rate * moment.left)


class Fixed(nn.Module):
    """A network with numbers of its own and a fixed architecture, for one kind of task."""

    def __init__(self, net: Network, params: Params, spec: TaskSpec) -> None:
        super().__init__()
        self.call, self.spec = [net], spec  # in a list: its parameters are not ours
        self.arch = params.arch
        self.values = nn.ParameterDict({flat(name): nn.Parameter(t) for name, t in params.weights.items()})

    def forward(self, x: Tensor) -> Tensor:
        return self.run(x, dict(self.values))

    def run(self, x: Tensor, values: Mapping[str, Tensor]) -> Tensor:
        """Logits with these numbers, under their flat names."""
        weights = {name.replace("|", "."): t for name, t in values.items()}
        logits: Tensor = torch.func.functional_call(self.call[0], weights, (x, self.arch, self.spec))
        return logits


def left_in(module: nn.Module) -> Tensors:
    """The gradients in the `values` of a module, by the state's names."""
    found = module.named_parameters()
    return {name_in_state(name): p.grad for name, p in found if p.grad is not None}


def flat(name: str) -> str:
    """A parameter's name without dots, which a ParameterDict does not take."""
    return name.replace(".", "|")


def name_in_state(name: str) -> str:
    """From `values.nodes|0|weight` back to `weights/nodes.0.weight`."""
    return "weights/" + name.removeprefix("values.").replace("|", ".")


def learn2learn() -> ModuleType:
    """The library. PluginError names the extra when it is missing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import learn2learn as library
    except ImportError as error:
        raise PluginError(f"learn2learn is not installed ({error}); pip install 'metanas[l2l]'") from error
    module: ModuleType = library
    return module
