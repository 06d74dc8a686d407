"""The pieces that tell the methods apart: iMAML's solver, MAML++'s schedules, eta, prototypes, attention."""

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines.mamlpp import cosine, multi_step_weights
from baselines.matchingnet import MatchingNet
from baselines.protonet import ProtoNet
from metanas.base.seeding import generator
from metanas.data.episode import Batch, Episodes
from metanas.meta.implicit import conjugate_gradient, meta_gradient, proximal
from metanas.meta.inner import ParamGroups, adapt
from metanas.meta.loss import cross_entropy
from metanas.meta.maml import final_step_weights
from metanas.meta.maml import meta_gradient as maml_gradient
from metanas.meta.optimizers import sgd
from metanas.meta.prototypes import wide_loss
from metanas.meta.rates import owner
from metanas.method import Progress
from metanas.models.network import features
from metanas.params import Params, detach, expand_tasks
from metanas.space.network_config import NetworkConfig
from tests import tiny

STRENGTH = 2.0


def quadratic(params: Params, batch: Batch) -> Tensor:
    """0.5 x' A x - b' x of each task; a batch's x holds A (T, n, n), its y holds b (T, n)."""
    x = params.weights["x"]
    bent = torch.einsum("ti,tij,tj->t", x, batch.x, x)
    return 0.5 * bent - (batch.y * x).sum(1)


def problems(tasks: int, size: int) -> Episodes:
    g = generator(0, "quadratic")
    root = torch.randn(2, tasks, size, size, generator=g, dtype=torch.float64)
    bent = root @ root.transpose(-1, -2) / size
    line = torch.randn(2, tasks, size, generator=g, dtype=torch.float64)
    return Episodes(tiny.SPEC, Batch(bent[0], line[0]), Batch(bent[1], line[1]))


def test_imaml_equals_the_closed_form_on_a_quadratic() -> None:
    """phi* = (A + l I)^-1 (b + l theta), so d loss / d theta = l (A + l I)^-1 (A' phi* - b')."""
    episodes, size = problems(3, 4), 4
    theta = torch.randn(size, generator=generator(1, "theta"), dtype=torch.float64)
    params = detach(Params({"x": theta}, {}))
    found, value = meta_gradient(
        quadratic,
        params,
        episodes,
        policy=ParamGroups(sgd(0.1), None),
        steps=2000,
        strength=STRENGTH,
        cg_steps=size,
    )
    bent = episodes.support.x + STRENGTH * torch.eye(size, dtype=torch.float64)
    best = torch.linalg.solve(bent, episodes.support.y + STRENGTH * theta)
    slope = torch.einsum("tij,tj->ti", episodes.query.x, best) - episodes.query.y
    expected = STRENGTH * torch.linalg.solve(bent, slope).mean(0)
    torch.testing.assert_close(found["weights/x"], expected, rtol=1e-8, atol=1e-10)
    at_best = quadratic(Params({"x": best}, {}), episodes.query).mean()
    assert value == pytest.approx(float(at_best), rel=1e-9)


def test_the_proximal_inner_problem_ends_at_its_minimum() -> None:
    episodes = problems(3, 4)
    start = expand_tasks(Params({"x": torch.ones(4, dtype=torch.float64)}, {}), 3)
    near = proximal(quadratic, start, STRENGTH)
    found = adapt(near, start, [episodes.support] * 2000, policy=ParamGroups(sgd(0.1), None), order=0)
    bent = episodes.support.x + STRENGTH * torch.eye(4, dtype=torch.float64)
    torch.testing.assert_close(found.weights["x"], torch.linalg.solve(bent, episodes.support.y + STRENGTH))


def test_conjugate_gradients_solve_in_as_many_steps_as_there_are_unknowns() -> None:
    bent = problems(3, 5).support.x + torch.eye(5, dtype=torch.float64)
    right = torch.randn(3, 5, generator=generator(2, "b"), dtype=torch.float64)
    (x,) = conjugate_gradient(lambda v: [torch.einsum("tij,tj->ti", bent, v[0])], [right], 5)
    torch.testing.assert_close(x, torch.linalg.solve(bent, right))


def test_conjugate_gradients_stop_at_negative_curvature() -> None:
    (x,) = conjugate_gradient(lambda v: [-v[0]], [torch.ones(2, 3)], 5)
    assert (x == 0).all()


def test_multi_step_loss_is_the_weighted_sum_of_each_steps_gradient() -> None:
    episodes, weights = problems(2, 3), [0.2, 0.3, 0.5]
    params, policy = (
        detach(Params({"x": torch.ones(3, dtype=torch.float64)}, {})),
        ParamGroups(sgd(0.1), None),
    )

    def gradient(steps: list[float]) -> Tensor:
        return maml_gradient(quadratic, params, episodes, policy=policy, order=2, steps=steps)[0]["weights/x"]

    parts = sum(w * gradient(final_step_weights(i + 1)) for i, w in enumerate(weights))
    torch.testing.assert_close(gradient(weights), parts)


def test_mamlpp_schedules() -> None:
    assert multi_step_weights(4, 0, 10) == [0.25] * 4
    assert multi_step_weights(4, 10, 10) == [0, 0, 0, 1]
    assert multi_step_weights(3, 7, 0) == [0, 0, 1]
    for at in range(12):
        assert sum(multi_step_weights(5, at, 8)) == pytest.approx(1)
    assert cosine(Progress(0, 100), 0.01) == pytest.approx(1)
    assert cosine(Progress(50, 100), 0.01) == pytest.approx(0.505)
    assert cosine(Progress(100, 100), 0.01) == pytest.approx(0.01)


def test_eta_is_one_rate_per_node_candidate() -> None:
    _, params = tiny.net()
    owners = {owner(f"weights/{name}", "node") for name in params.weights}
    assert "weights/nodes.0.candidates.conv3" in owners
    assert "weights/nodes.1.candidates.gru" in owners
    assert "weights" in owners and "weights/nodes.0.candidates.gru.bias" not in owners


def test_protonet_equals_ten_lines_of_numpy() -> None:
    method = ProtoNet([tiny.SPEC], ProtoNet.Settings(network=NetworkConfig("conv4", width=6), sharpness=0))
    state = method.start(generator(0, "proto"))
    episodes = tiny.episodes(2)
    x, y, asked = episodes.support.x.float(), episodes.support.y, episodes.query.x.float()
    found = method.adapt(state, tiny.SPEC, Batch(x, y)).predict(asked)
    params = Params({k.removeprefix("weights/"): v for k, v in state.items()}, {})
    for task in range(2):
        known = features(method.net, params, x[task], tiny.SPEC).numpy()
        query = features(method.net, params, asked[task], tiny.SPEC).numpy()
        labels = y[task].numpy()
        means = np.stack([known[labels == c].mean(0) for c in range(tiny.SPEC.ways)])
        distances = ((query[:, None] - means[None]) ** 2).sum(-1)
        e = np.exp(-distances + distances.min(1, keepdims=True))
        np.testing.assert_allclose(found[task].numpy(), e / e.sum(1, keepdims=True), rtol=1e-4, atol=1e-5)


def test_matching_networks_equal_numpy() -> None:
    method = MatchingNet(
        [tiny.SPEC], MatchingNet.Settings(network=NetworkConfig("conv4", width=6), sharpness=10)
    )
    state = method.start(generator(0, "match"))
    episodes = tiny.episodes(1)
    x, y, asked = episodes.support.x.float(), episodes.support.y, episodes.query.x.float()
    found = method.adapt(state, tiny.SPEC, Batch(x, y)).predict(asked)
    params = Params({k.removeprefix("weights/"): v for k, v in state.items()}, {})
    known, query = (features(method.net, params, t[0], tiny.SPEC).numpy() for t in (x, asked))
    known, query = (t / np.linalg.norm(t, axis=1, keepdims=True) for t in (known, query))
    attention = np.exp(10 * query @ known.T)
    attention /= attention.sum(1, keepdims=True)
    np.testing.assert_allclose(found[0].numpy(), attention @ np.eye(2)[y[0].numpy()], rtol=1e-4, atol=1e-5)


def test_the_wide_loss_asks_every_query_about_the_classes_of_all_tasks() -> None:
    g = generator(0, "wide")
    queries, weight = (torch.randn(3, n, 5, generator=g, dtype=torch.float64) for n in (4, 2))
    bias = torch.randn(3, 2, generator=g, dtype=torch.float64)
    labels, classes = torch.tensor([[0, 1, 1, 0]] * 3), torch.tensor([[7, 8], [8, 9], [7, 8]])
    blank = torch.zeros(3, 0)
    episodes = Episodes(tiny.SPEC, Batch(blank, blank), Batch(blank, labels), classes)
    found = wide_loss(queries, weight, bias, episodes)
    expected = []
    for task in range(3):
        for query, label in zip(queries[task], labels[task].tolist(), strict=True):
            right = int(classes[task, label])
            others = [(t, w) for t in range(3) for w in range(2) if int(classes[t, w]) != right]
            scores = [float(weight[t, w] @ query + bias[t, w]) for t, w in [(task, label), *others]]
            expected.append(np.logaddexp.reduce(scores) - scores[0])
    assert float(found) == pytest.approx(np.mean(expected), rel=1e-12)
    alone = Episodes(tiny.SPEC, Batch(blank, blank), episodes.query.tasks(slice(1)), classes[:1])
    narrow = cross_entropy(queries[:1] @ weight[:1].transpose(1, 2) + bias[:1, None], labels[:1]).mean()
    torch.testing.assert_close(wide_loss(queries[:1], weight[:1], bias[:1], alone), narrow)
