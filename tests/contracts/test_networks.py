"""Every registered network, found by itself: shapes, padding, independence, second derivatives."""

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from metanas.base.registry import UnknownName
from metanas.base.seeding import generator
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.meta.batching import run
from metanas.meta.inner import ParamGroups
from metanas.meta.loss import TaskLoss
from metanas.meta.maml import meta_gradient
from metanas.meta.optimizers import sgd
from metanas.models.build import build
from metanas.models.network import Network, apply, features
from metanas.models.relaxation import Mixture
from metanas.models.supernet import SuperNet
from metanas.params import Params, detach, expand_tasks, tensors, tree_map
from metanas.space.network_config import NETWORKS, NetworkConfig
from metanas.space.space import SearchSpace
from tests import tiny

SPACE = SearchSpace(layers=1, channels=8)
SPECS = (*tiny.SPECS, TaskSpec("colour", "image", (3, 9, 8), 3))


def made(kind: str, **options: object) -> tuple[Network, Params]:
    net = build(NetworkConfig(kind, width=8, **options), SPACE, SPECS)  # type: ignore[arg-type]
    noise = generator(1, "net")
    params = net.init(generator(0, "net"))
    return net.double(), tree_map(
        lambda t: (t + 0.1 * torch.randn(t.shape, generator=noise)).double(), params
    )


@pytest.mark.parametrize("kind", list(NETWORKS))
class TestNetwork:
    @pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
    def test_one_by_one_equals_all_at_once(self, kind: str, spec: TaskSpec) -> None:
        (net, params), x = made(kind), tiny.inputs(spec, 3)
        together = apply(net, params, x, spec)
        assert together.shape == (3, spec.ways)
        assert features(net, params, x, spec).ndim == 2
        for i in range(3):
            alone = apply(net, params, x[i : i + 1], spec)[0]
            torch.testing.assert_close(alone, together[i], rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
    def test_what_lies_in_the_padding_changes_nothing(self, kind: str, spec: TaskSpec) -> None:
        if spec.modality == "image":
            return  # images have none
        (net, params), x = made(kind), tiny.inputs(spec, 3)
        shorter = x.clone()
        shorter[0, ..., 8:] = 0 if spec.modality == "text" else torch.nan
        longer = shorter.clone()
        longer[0, ..., 8:] = x[1, ..., 8:]
        a, b = (apply(net, params, each_, spec) for each_ in (shorter, longer))
        torch.testing.assert_close(a[1:], b[1:], rtol=1e-9, atol=1e-9)
        assert (a[0] != b[0]).any()  # what is there is read

    def test_every_weight_gets_a_gradient(self, kind: str) -> None:
        net, params = made(kind)
        params = tree_map(lambda t: t.requires_grad_(), params)
        total = sum(apply(net, params, tiny.inputs(spec, 3), spec).square().sum() for spec in SPECS)
        assert isinstance(total, Tensor)
        for g in torch.autograd.grad(total, tensors(params)):
            assert torch.isfinite(g).all() and g.abs().max() > 0

    def test_second_derivatives_equal_finite_differences(self, kind: str) -> None:
        net, params = made(kind)
        spec = SPECS[2]
        x, weights = tiny.inputs(spec, 2), list(params.weights)
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
        assert exact == pytest.approx(float(slope(1e-7) - slope(-1e-7)) / 2e-7, rel=1e-3)

    @pytest.mark.parametrize("options", [{}, {"norm": "batch", "down": "stride", "read": "mean"}])
    @pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
    def test_tasks_side_by_side_equal_tasks_in_turn(
        self, kind: str, spec: TaskSpec, options: dict[str, object]
    ) -> None:
        net, params = made(kind, **options)
        noise = generator(2, "tasks")
        tasks = tree_map(lambda t: t + 0.1 * torch.randn(3, *t.shape, generator=noise).double(), params)
        x = tiny.inputs(spec, 12).unflatten(0, (3, 4))
        answers, slopes = [], []
        for way in ("vmap", "loop"):
            at = tree_map(lambda t: t.clone().requires_grad_(), tasks)
            logits = run(net, spec, at.weights, Mixture(at.arch, {}), x, way)  # type: ignore[arg-type]
            answers.append(logits)
            total = logits.square().sum()
            slopes.append(torch.autograd.grad(total, tensors(at), allow_unused=True, materialize_grads=True))
        assert answers[0].shape == (3, 4, spec.ways)
        torch.testing.assert_close(*answers, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(*slopes, rtol=1e-8, atol=1e-10)

    def test_a_shared_first_step_has_the_second_order_gradient_of_tasks_in_turn(self, kind: str) -> None:
        net, params = made(kind)
        spec = SPECS[1]
        x = tiny.inputs(spec, 8).unflatten(0, (2, 4))
        y = torch.arange(2).repeat(2, 1)
        episodes = Episodes(spec, Batch(x[:, :2], y), Batch(x[:, 2:], y))
        found = []
        for way in ("shared", "loop"):
            loss, policy = TaskLoss(net, spec, batching=way), ParamGroups(sgd(0.3), None)  # type: ignore[arg-type]
            found.append(
                meta_gradient(loss, detach(params), episodes, policy=policy, order=2, steps=[1.0])[0]
            )
        for name, g in found[1].items():
            torch.testing.assert_close(found[0][name], g, rtol=1e-8, atol=1e-11, msg=name)

    def test_runs_under_vmap(self, kind: str) -> None:
        net, params = made(kind)
        spec = SPECS[0]
        x = tiny.inputs(spec, 6).unflatten(0, (2, 3))
        both = vmap(lambda p, x: apply(net, p, x, spec))(expand_tasks(params, 2), x)
        torch.testing.assert_close(both[1], apply(net, params, x[1], spec), rtol=1e-9, atol=1e-9)

    def test_initialisation_is_a_pure_function_of_the_generator(self, kind: str) -> None:
        net = build(NetworkConfig(kind, width=8), SPACE, SPECS)
        a, b, c = (net.init(generator(seed, "x")) for seed in (0, 0, 1))
        assert all(torch.equal(a.weights[k], b.weights[k]) for k in a.weights)
        assert any(not torch.equal(a.weights[k], c.weights[k]) for k in a.weights)


def test_an_unknown_network_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="no network named 'conv5'; did you mean 'conv4'"):
        build(NetworkConfig("conv5"), SPACE, SPECS)
    with pytest.raises(ValueError, match=r"network\.width must be positive, got 0"):
        NetworkConfig(width=0)
    assert isinstance(build(NetworkConfig(), SPACE, SPECS), SuperNet)
