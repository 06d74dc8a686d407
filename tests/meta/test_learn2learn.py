"""MAML, FOMAML, ANIL and Meta-SGD against learn2learn's own algorithms: same weights, same batch, float64."""

import os
import warnings
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metanas.base.seeding import generator
from metanas.data.episode import Episodes
from metanas.meta.batching import WAYS, Batching
from metanas.meta.inner import Order, ParamGroups, StepPolicy, moves
from metanas.meta.loss import TaskLoss
from metanas.meta.maml import final_step_weights, meta_gradient
from metanas.meta.optimizers import sgd
from metanas.meta.rates import LearnedRates, start
from metanas.models.build import build
from metanas.models.network import Network, features
from metanas.params import Params, Tensors, detach, tree_map
from metanas.space.network_config import NetworkConfig
from metanas.space.space import SearchSpace
from tests import tiny

RATE, STEPS, TASKS = 0.3, 2, 3
EPISODES = tiny.episodes(TASKS)


@pytest.fixture
def l2l() -> ModuleType:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import learn2learn
    except ImportError:
        if os.environ.get("METANAS_REQUIRE_SHARED"):
            raise
        pytest.skip("NOT RUN: learn2learn is not installed (metanas[l2l])")
    module: ModuleType = learn2learn
    return module


def network(kind: str) -> tuple[Network, Params]:
    if kind == "supernet":
        return tiny.net()
    choice = NetworkConfig("conv4", width=6, norm="batch" if kind == "conv4-batch" else "layer")
    net, noise = build(choice, SearchSpace(), [tiny.SPEC]), generator(1, "l2l")
    fresh = net.init(generator(0, "l2l"))
    params = tree_map(lambda t: (t + 0.1 * torch.randn(t.shape, generator=noise)).double(), fresh)
    return net.double(), params


class Theirs(nn.Module):
    """A network of ours with numbers of its own, as learn2learn wants it."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.net, params = network(kind)
        self.arch = params.arch
        for name, parameter in self.net.named_parameters():
            parameter.data = params.weights[name].clone()

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x, self.arch, tiny.SPEC)
        return logits


def theirs(model: Theirs, meta: nn.Module, episodes: Episodes) -> Tensors:
    """The gradient that learn2learn's outer loop leaves in the weights."""
    for task in range(TASKS):
        learner = meta.clone()  # type: ignore[operator]
        for _ in range(STEPS):
            learner.adapt(F.cross_entropy(learner(episodes.support.x[task]), episodes.support.y[task]))
        (F.cross_entropy(learner(episodes.query.x[task]), episodes.query.y[task]) / TASKS).backward()
    return {name: p.grad for name, p in model.net.named_parameters() if p.grad is not None}


def ours(
    kind: str, policy: StepPolicy, order: Order, batching: Batching, rates: Tensors | None = None
) -> Tensors:
    net, params = network(kind)
    loss = TaskLoss(net, tiny.SPEC, batching=batching)
    found, _ = meta_gradient(
        loss,
        detach(params),
        EPISODES,
        policy=policy,
        order=order,
        steps=final_step_weights(STEPS),
        rates=rates,
    )
    return found


def same(ours: Tensors, theirs: Tensors) -> None:
    assert theirs
    for name, g in theirs.items():
        torch.testing.assert_close(ours[f"weights/{name}"], g, rtol=1e-8, atol=1e-11, msg=name)


@pytest.mark.parametrize("batching", WAYS)
@pytest.mark.parametrize("kind", ["supernet", "conv4", "conv4-batch"])
@pytest.mark.parametrize("order", [1, 2])
def test_maml_and_fomaml_equal_learn2learn(
    l2l: ModuleType, kind: str, order: Order, batching: Batching
) -> None:
    model = Theirs(kind)
    meta = l2l.algorithms.MAML(model, lr=RATE, first_order=order == 1)
    same(ours(kind, ParamGroups(sgd(RATE), None), order, batching), theirs(model, meta, EPISODES))


def test_anil_equals_learn2learn(l2l: ModuleType) -> None:
    """learn2learn adapts the head as a module on features that the outer loop alone moves."""
    net, start_ = network("conv4")
    leaves = {name: t.clone().requires_grad_() for name, t in start_.weights.items()}
    params = Params(leaves, {})
    names = [name for name in leaves if name.startswith("heads.")]
    head = nn.Linear(*reversed(leaves[names[0]].shape)).double()  # names: weight, bias
    head.weight.data, head.bias.data = (leaves[name].detach().clone() for name in names)
    meta = l2l.algorithms.MAML(head, lr=RATE)
    for task in range(TASKS):
        learner, support, query = meta.clone(), EPISODES.support, EPISODES.query
        known = features(net, params, support.x[task], tiny.SPEC)
        for _ in range(STEPS):
            learner.adapt(F.cross_entropy(learner(known), support.y[task]))
        asked = learner(features(net, params, query.x[task], tiny.SPEC))
        (F.cross_entropy(asked, query.y[task]) / TASKS).backward()
    body = {name: t.grad for name, t in leaves.items() if t.grad is not None}
    expected = body | dict(zip(names, [head.weight.grad, head.bias.grad], strict=True))
    same(ours("conv4", ParamGroups(sgd(RATE), None, moves("head")), 2, "vmap"), expected)


def test_metasgd_equals_learn2learn_on_weights_and_rates(l2l: ModuleType) -> None:
    model = Theirs("conv4")
    meta = l2l.algorithms.MetaSGD(model, lr=RATE)
    g = generator(7, "rates")
    for rate in meta.lrs:
        rate.data = 0.1 + 0.2 * torch.rand(rate.shape, generator=g).double()
    expected = theirs(model, meta, EPISODES)
    names = [name for name, _ in model.net.named_parameters()]
    rates = {
        f"weights/{name}": rate.detach().clone().requires_grad_()
        for name, rate in zip(names, meta.lrs, strict=True)
    }
    found = ours("conv4", LearnedRates(rates, "element"), 2, "vmap", rates)
    same(found, expected)
    for name, rate in zip(names, meta.lrs, strict=True):
        torch.testing.assert_close(found[f"rates/weights/{name}"], rate.grad, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("kind", ["element", "tensor", "node"])
@pytest.mark.parametrize("order", [1, 2])
def test_gradients_of_learned_rates_equal_finite_differences(kind: str, order: Order) -> None:
    """Both orders: the rates' gradient after one step has no second derivative in it."""
    net, params = network("supernet")
    loss = TaskLoss(net, tiny.SPEC)
    rates = start(
        params,
        kind,  # type: ignore[arg-type]
        1,
        lambda name, shape: torch.full(shape, 0.2 if kind != "node" else -1.0, dtype=torch.float64),
    )
    g = generator(3, "direction")
    way = {name: torch.randn(t.shape, generator=g, dtype=torch.float64) for name, t in rates.items()}

    def at(shift: float) -> tuple[Tensors, Tensor]:
        moved = {name: (t + shift * way[name]).requires_grad_() for name, t in rates.items()}
        policy = LearnedRates(moved, kind)  # type: ignore[arg-type]
        return meta_gradient(
            loss, detach(params), EPISODES, policy=policy, order=order, steps=[1.0], rates=moved
        )

    slope = float(at(1e-6)[1] - at(-1e-6)[1]) / 2e-6
    ours = sum(float((at(0.0)[0][f"rates/{name}"] * w).sum()) for name, w in way.items())
    assert ours == pytest.approx(slope, rel=1e-5)
