"""What a network must be, on every kind of input it takes: shapes, padding, independence, derivatives.

A network that does not take a kind of input raises InvalidValue when it is built with such a spec.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor
from torch.func import vmap

from metanas.base.errors import InvalidValue
from metanas.base.seeding import generator
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.meta.batching import run
from metanas.meta.inner import ParamGroups
from metanas.meta.loss import TaskLoss
from metanas.meta.maml import meta_gradient
from metanas.meta.optimizers import sgd
from metanas.models.build import build
from metanas.models.network import Network, apply, features, is_head
from metanas.models.relaxation import Mixture
from metanas.params import Params, detach, expand_tasks, tensors, tree_map
from metanas.space.network_config import NETWORKS, NetworkConfig
from metanas.space.space import SearchSpace
from metanas.testing import devices, finite
from metanas.testing.check import NotApplicable, fail, require
from metanas.testing.inputs import COLOUR, SPECS, inputs

SPACE = SearchSpace(layers=1, channels=8)
OPTIONS: Sequence[dict[str, object]] = ({}, {"norm": "batch", "down": "stride", "read": "mean"})


@dataclass(frozen=True)
class NetworkSubject:
    """A network under test. given: options of it, as `network.weights` without its first word."""

    name: str
    given: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def specs(self) -> tuple[TaskSpec, ...]:
        """The specs that it takes. NotApplicable if there are none."""
        found = [spec for spec in (*SPECS, COLOUR) if not self.refusal(spec)]
        if not found:
            raise NotApplicable("it takes no inputs")
        return tuple(found)

    @property
    def main(self) -> TaskSpec:
        """One spec for what need not be asked of all of them."""
        return next(spec for spec in reversed(self.specs) if spec != COLOUR or len(self.specs) == 1)

    def refusal(self, spec: TaskSpec) -> str:
        """Why the network does not take such inputs; empty if it does."""
        try:
            NETWORKS[self.name]([spec], self.config())
        except InvalidValue as error:
            return str(error)
        return ""

    def config(self, **options: Any) -> NetworkConfig:
        """A narrow one with these options, or those that are given."""
        return NetworkConfig(**{"kind": self.name, "width": 8, **options, **self.given})

    def build(self, **options: object) -> tuple[Network, Params]:
        """The network for all it takes, with weights in float64 that are all alive."""
        net = build(self.config(**options), SPACE, self.specs)
        noise = generator(1, "net")
        params = net.init(generator(0, "net"))
        return net.double(), tree_map(
            lambda t: (t + 0.1 * torch.randn(t.shape, generator=noise)).double(), params
        )


def takes_inputs(subject: NetworkSubject) -> None:
    """It takes images, text or speech, and refuses the others with InvalidValue when it is built."""
    refusals = [subject.refusal(spec) for spec in (*SPECS, COLOUR)]
    require(not all(refusals), f"it refuses everything: {refusals[0]}")


def one_by_one_equals_all_at_once(subject: NetworkSubject) -> None:
    """Logits are (B, ways), features (B, F), and those of an example do not depend on the others."""
    net, params = subject.build()
    for spec in subject.specs:
        x = inputs(spec, 3)
        together = apply(net, params, x, spec)
        _shape(together, (3, spec.ways), f"{spec.name}: logits")
        require(features(net, params, x, spec).ndim == 2, f"{spec.name}: features are not (B, F)")
        for i in range(3):
            alone = apply(net, params, x[i : i + 1], spec)[0]
            _close(alone, together[i], f"{spec.name}: example {i} alone", 1e-9, 1e-9)


def what_lies_in_the_padding_changes_nothing(subject: NetworkSubject) -> None:
    """What lies in the padding of one example changes nothing of the others, and what is there is read."""
    net, params = subject.build()
    padded = [spec for spec in subject.specs if spec.modality != "image"]
    if not padded:
        raise NotApplicable("images have no padding")
    for spec in padded:
        x = inputs(spec, 3)
        shorter = x.clone()
        shorter[0, ..., 8:] = 0 if spec.modality == "text" else torch.nan
        longer = shorter.clone()
        longer[0, ..., 8:] = x[1, ..., 8:]
        a, b = (apply(net, params, each, spec) for each in (shorter, longer))
        _close(a[1:], b[1:], f"{spec.name}: with other padding", 1e-9, 1e-9)
        require((a[0] != b[0]).any(), f"{spec.name}: the end of an input is not read")


def every_weight_gets_a_gradient(subject: NetworkSubject) -> None:
    """Every weight has a finite gradient that is not 0; what is frozen is a buffer and not a parameter."""
    net, params = subject.build()
    params = tree_map(lambda t: t.requires_grad_(), params)
    total = sum(apply(net, params, inputs(spec, 3), spec).square().sum() for spec in subject.specs)
    assert isinstance(total, Tensor)
    found = torch.autograd.grad(total, list(params.weights.values()), allow_unused=True)
    for name, g in zip(params.weights, found, strict=True):
        require(g is not None and g.abs().max() > 0, f"{name} gets no gradient")
        require(g is not None and torch.isfinite(g).all(), f"{name}: the gradient is not finite")


def second_derivatives_equal_finite_differences(subject: NetworkSubject) -> None:
    """Second derivatives for the weights equal finite differences of the first."""
    net, params = subject.build()
    spec = subject.main
    x, weights = inputs(spec, 2), list(params.weights)
    at = [params.weights[name].requires_grad_() for name in weights]
    way = [torch.randn(t.shape, generator=generator(4, "way"), dtype=t.dtype) for t in at]

    def slope(shift: float, graph: bool = False) -> Tensor:
        moved = [t + shift * w for t, w in zip(at, way, strict=True)]
        now = Params(dict(zip(weights, moved, strict=True)), params.arch)
        value = apply(net, now, x, spec).square().sum()
        found = torch.autograd.grad(value, moved, create_graph=graph, allow_unused=True)
        parts = [(g * w).sum() for g, w in zip(found, way, strict=True) if g is not None]
        return torch.stack(parts).sum()

    second = torch.autograd.grad(slope(0.0, graph=True), at, allow_unused=True)
    exact = sum(float((g * w).sum()) for g, w in zip(second, way, strict=True) if g is not None)
    differences = float(slope(1e-7) - slope(-1e-7)) / 2e-7
    require(abs(exact - differences) <= 1e-3 * abs(differences), f"{exact:.9g}, expected {differences:.9g}")


def tasks_side_by_side_equal_tasks_in_turn(subject: NetworkSubject) -> None:
    """Tasks with their own weights give the same side by side as in turn, with their gradients."""
    for options in OPTIONS:
        net, params = subject.build(**options)
        noise = generator(2, "tasks")
        tasks = tree_map(lambda t: t + 0.1 * torch.randn(3, *t.shape, generator=noise).double(), params)  # noqa: B023
        for spec in subject.specs:
            _side_by_side(net, tasks, spec)


def _side_by_side(net: Network, tasks: Params, spec: TaskSpec) -> None:
    x = inputs(spec, 12).unflatten(0, (3, 4))
    answers, slopes = [], []
    ways: tuple[Literal["vmap", "loop"], ...] = ("vmap", "loop")
    for way in ways:
        at = tree_map(lambda t: t.clone().requires_grad_(), tasks)
        logits = run(net, spec, at.weights, Mixture(at.arch, {}), x, way)
        answers.append(logits)
        total = logits.square().sum()
        slopes.append(torch.autograd.grad(total, tensors(at), allow_unused=True, materialize_grads=True))
    _shape(answers[0], (3, 4, spec.ways), f"{spec.name}: logits of three tasks")
    _close(answers[0], answers[1], f"{spec.name}: logits", 1e-9, 1e-9)
    for a, b in zip(*slopes, strict=True):
        _close(a, b, f"{spec.name}: a gradient", 1e-8, 1e-10)


def a_shared_first_step_has_the_gradient_of_tasks_in_turn(subject: NetworkSubject) -> None:
    """The second-order meta-gradient of a shared first step is that of tasks in turn."""
    net, params = subject.build()
    spec = next((s for s in subject.specs if s.modality == "text"), subject.main)
    x = inputs(spec, 8).unflatten(0, (2, 4))
    y = torch.arange(2).repeat(2, 1)
    episodes = Episodes(spec, Batch(x[:, :2], y), Batch(x[:, 2:], y))
    found = []
    ways: tuple[Literal["shared", "loop"], ...] = ("shared", "loop")
    for way in ways:
        loss, policy = TaskLoss(net, spec, batching=way), ParamGroups(sgd(0.3), None)
        found.append(meta_gradient(loss, detach(params), episodes, policy=policy, order=2, steps=[1.0])[0])
    for name, g in found[1].items():
        _close(found[0][name], g, name, 1e-8, 1e-11)


def runs_under_vmap(subject: NetworkSubject) -> None:
    """It runs under torch.func.vmap over weights and inputs."""
    net, params = subject.build()
    spec = subject.specs[0]
    x = inputs(spec, 6).unflatten(0, (2, 3))
    both = vmap(lambda p, x: apply(net, p, x, spec))(expand_tasks(params, 2), x)
    _close(both[1], apply(net, params, x[1], spec), spec.name, 1e-9, 1e-9)


def initialisation_follows_from_the_generator(subject: NetworkSubject) -> None:
    """Weights are a pure function of the generator that `init` gets."""
    net = build(subject.config(), SPACE, subject.specs)
    a, b, c = (net.init(generator(seed, "x")).weights for seed in (0, 0, 1))
    require(all(torch.equal(a[k], b[k]) for k in a), "the same seed gives other weights")
    if net.weights_sha256 or all(is_head(name) for name in a):
        return  # its weights come from elsewhere
    require(any(not torch.equal(a[k], c[k]) for k in a), "another seed gives the same weights")


def derivatives_are_finite_at_odd_inputs(subject: NetworkSubject) -> None:
    """Derivatives of the loss are finite if one input is blank, constant, huge or tiny."""
    modalities = {spec.modality for spec in subject.specs}
    for modality, spec in finite.SPECS.items():
        for kind in finite.INPUTS if modality in modalities else ():
            net = build(subject.config(depth=1), SPACE, [spec])
            try:
                finite.differentiate_network(net, spec, kind)
            except AssertionError as error:
                fail(f"{modality}, {kind}: {error}")


def runs_on_another_device(subject: NetworkSubject) -> None:
    """MAML and ProtoNet train and adapt it where its inputs are: no tensor is made on the CPU by itself."""
    for method in ("maml", "protonet"):
        specs = [spec for spec in subject.specs if spec != COLOUR] or [COLOUR]
        given = {"network": {"width": 8, **subject.given}}
        devices.run_elsewhere(devices.made(method, specs, subject.name, given), specs)


RULES = (
    takes_inputs,
    one_by_one_equals_all_at_once,
    what_lies_in_the_padding_changes_nothing,
    every_weight_gets_a_gradient,
    second_derivatives_equal_finite_differences,
    tasks_side_by_side_equal_tasks_in_turn,
    a_shared_first_step_has_the_gradient_of_tasks_in_turn,
    runs_under_vmap,
    initialisation_follows_from_the_generator,
    derivatives_are_finite_at_odd_inputs,
    runs_on_another_device,
)


def _shape(t: Tensor, shape: tuple[int, ...], what: str) -> None:
    require(t.shape == shape, f"{what} are {tuple(t.shape)}, expected {shape}")


def _close(actual: Tensor, expected: Tensor, what: str, rtol: float, atol: float) -> None:
    torch.testing.assert_close(actual, expected, rtol=rtol, atol=atol, msg=lambda text: f"{what}: {text}")
