"""First and second derivatives are finite at zeros, constants, padding, one element, huge and tiny values.

Second-order MAML differentiates twice through everything here: one blank text must not make a NaN of every
weight. Every activation, norm, supernet, relaxation, head, loss and inner update, in both precisions; ops and
networks have it among their rules (`metanas/testing`).
"""

import math
from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from metanas.base.seeding import generator
from metanas.choice.evidence import mahalanobis_loo, prototype_loo, ridge_loo
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.engine.config import settings_of
from metanas.meta.arch_steps import exponentiated
from metanas.meta.loss import cross_entropy
from metanas.meta.mahalanobis import mahalanobis_head
from metanas.meta.optimizers import FunctionalOptimizer, adam, clipped, momentum, sgd
from metanas.meta.prototypes import prototype_head
from metanas.meta.ridge import ridge_head
from metanas.method import METHODS, Progress
from metanas.models.build import build
from metanas.models.network import Network
from metanas.models.norms import BatchNorm
from metanas.models.ops import pool
from metanas.models.relaxation import gumbel, pruned, softmax, sparsemax
from metanas.models.stem import Norm, halve, standardised
from metanas.search.prior import penalty
from metanas.space.candidates import ACTIVATIONS
from metanas.space.network_config import NetworkConfig
from metanas.space.space import SearchSpace
from metanas.testing.finite import (
    DTYPES,
    INPUTS,
    MAPS,
    SPECS,
    C,
    differentiate,
    differentiate_module,
    differentiate_network,
    inputs,
    maps,
)


def network(name: str, spec: TaskSpec) -> Network:
    changes: dict[str, dict[str, Any]] = {
        "none": {"ops": ("none",)},
        "normed": {"ops": ("conv3", "none"), "normed": True, "relaxation": "sparsemax"},
        "lean": {"ops": ("gru", "attn"), "stem": "lean"},
        "frames": {"stem": "frames"},
    }
    space = SearchSpace(**{"channels": C, "layers": 1, "reductions": (), **changes.get(name, {})})
    return build(NetworkConfig(), space, [spec])


@pytest.mark.parametrize("text", [True, False], ids=["text", "image"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", MAPS)
class TestMaps:
    def test_norms_and_pools(self, kind: str, dtype: torch.dtype, text: bool) -> None:
        x, mask = maps(kind, dtype, text=text)
        differentiate_module(Norm(C), x, mask)
        if kind != "one element":  # torch's batch norm wants more than one value a channel
            differentiate_module(BatchNorm(C, 1e-5), x, mask)
        differentiate(lambda x: standardised(x, mask), [x])
        differentiate(lambda x: pool(x, mask), [x])
        differentiate(lambda x: halve(x, mask)[0], [x])

    def test_every_activation(self, kind: str, dtype: torch.dtype, text: bool) -> None:
        x, _ = maps(kind, dtype, text=text)
        for name in ACTIVATIONS:
            differentiate(ACTIVATIONS[name], [x])


def test_a_norm_is_differentiated_twice_where_only_some_examples_are_blank() -> None:
    """The ordinary example's derivatives are as if the blank one was not there."""
    x, mask = torch.randn(2, C, 1, 6, dtype=torch.float64), torch.ones(2, 1, 1, 6, dtype=torch.float64)
    mask[0] = 0

    def second(x: Tensor, mask: Tensor) -> Tensor:
        x = x.clone().requires_grad_()
        (g,) = torch.autograd.grad(standardised(x, mask).pow(3).sum(), x, create_graph=True)
        return torch.autograd.grad(g.pow(2).sum(), x)[0]

    torch.testing.assert_close(second(x, mask)[1], second(x[1:], mask[1:])[0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize(
    ("modality", "name"),
    [*product(SPECS, ["supernet", "none", "normed", "lean"]), ("speech", "frames")],
)
def test_every_supernet_with_its_stem_and_loss(modality: str, name: str, kind: str) -> None:
    """A meta-gradient of second order of everything, the logits included; one input is odd."""
    differentiate_network(network(name, SPECS[modality]), SPECS[modality], kind)


LOGITS = {
    "zero": [0.0, 0.0, 0.0],
    "tie": [1.0, 1.0, -1.0],
    "one": [0.5],
    "huge": [2e7, 0.0, 1.0],
    "all huge": [1e8, 1e8, 1e8],
    "low": [-2e7, -3e7, -2e7],
    "apart": [150.0, 0.0, -150.0],
    "tiny": [1e-30, -1e-30, 0.0],
}
RELAXATIONS = {"softmax": softmax, "sparsemax": sparsemax, "pruned": pruned(0.05, 0.01)}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", LOGITS)
class TestLogits:
    @pytest.mark.parametrize("name", RELAXATIONS)
    def test_relaxations(self, name: str, kind: str, dtype: torch.dtype) -> None:
        logits = torch.tensor([[LOGITS[kind]]], dtype=dtype)
        run = RELAXATIONS[name]
        differentiate(lambda t: run({"node": t}).weights["node"], [logits])
        weights = run({"node": logits}).weights["node"]
        torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights.sum(-1)), rtol=0, atol=0.02)

    def test_gumbel(self, kind: str, dtype: torch.dtype) -> None:
        logits = torch.tensor([[LOGITS[kind]]], dtype=dtype)
        differentiate(lambda t: gumbel(0.1, generator(0, "g"))({"node": t}).weights["node"], [logits])

    def test_losses(self, kind: str, dtype: torch.dtype) -> None:
        logits = torch.tensor([[LOGITS[kind]]], dtype=dtype)
        differentiate(lambda t: cross_entropy(t, torch.zeros(1, 1, dtype=torch.int64)), [logits])

    @pytest.mark.parametrize("name", ["softmax", "sparsemax"])
    def test_the_prior_of_a_strategy(self, name: str, kind: str, dtype: torch.dtype) -> None:
        logits = torch.tensor([LOGITS[kind]], dtype=dtype)
        strategy = "{node: {prior: {conv3: 0.5}, kl: 1.0}}"
        ops = ("conv3", "conv5", "skip")[: logits.shape[-1]]
        space = SearchSpace(ops=ops, layers=1, reductions=(), strategy=strategy)

        def run(t: Tensor) -> Tensor:
            result = penalty(space, RELAXATIONS[name]({"node": t}), SPECS["text"])
            assert result is not None
            return result

        differentiate(run, [logits])


FEATURES = {
    "zero": torch.zeros(1, 4, 6),
    "constant": torch.full((1, 4, 6), 2.0),
    "ordinary": torch.randn(1, 4, 6, generator=generator(0, "features")),
    "huge": torch.randn(1, 4, 6, generator=generator(0, "features")) * 1e3,
    "tiny": torch.randn(1, 4, 6, generator=generator(0, "features")) * 1e-25,
    "one feature": torch.randn(1, 4, 1, generator=generator(0, "features")),
}
Y = torch.tensor([[0, 0, 1, 1]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", FEATURES)
def test_heads_and_leave_one_out_losses(kind: str, dtype: torch.dtype) -> None:
    x, penalty_log = FEATURES[kind].to(dtype), torch.zeros((), dtype=dtype)
    support = Batch(x, Y)
    differentiate(lambda x: torch.cat([t.flatten() for t in prototype_head(x, support, 2, 8.0)]), [x])
    differentiate(lambda x, p: ridge_head(x, support, 2, p.exp()), [x, penalty_log])
    differentiate(lambda x: prototype_loo(x, Y, 2, 8.0), [x])
    differentiate(lambda x: torch.cat([t.flatten() for t in mahalanobis_head(x, support, 2, 8.0, 1.0)]), [x])
    differentiate(lambda x: mahalanobis_loo(x, Y, 2, 8.0, 1.0), [x])
    if kind != "huge":  # 1 - leverage is lost in float32: the head itself is what is trained
        differentiate(lambda x, p: ridge_loo(x, Y, 2, p.exp(), p.exp()), [x, penalty_log])
    matching = METHODS["matchingnet"]([SPECS["image"]], METHODS["matchingnet"].Settings())
    differentiate(lambda x: matching.compared(matching.known(support, 2), x), [x])  # type: ignore[attr-defined]


RULES: Mapping[str, FunctionalOptimizer] = {
    "sgd": sgd(0.1),
    "momentum": momentum(0.1, decay=0.01),
    "adam": adam(0.1),
    "adam without a first moment": adam(0.1, beta1=0.0, decay=0.01),
    "exponentiated": exponentiated(0.1),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4, 1e-25], ids=["zero", "ordinary", "huge", "tiny"])
@pytest.mark.parametrize("name", RULES)
def test_inner_updates(name: str, scale: float, dtype: torch.dtype) -> None:
    """Two updates; the gradient is a function of the tensor, as in an inner loop."""
    rule = RULES[name]
    x = torch.randn(5, generator=generator(0, "x")).to(dtype)

    def run(x: Tensor) -> Tensor:
        state = rule.init(x)
        for _ in range(2):
            p = x.softmax(0)
            g = scale * p * (x - (p * x).sum())  # of logits
            x, state = rule.update(x, g, state)
        return x

    differentiate(run, [x])
    differentiate(run, [x * 0])


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e15, 1e-25])
def test_clipping(scale: float) -> None:
    x = torch.ones(3) * scale
    (short,) = clipped([x], 1.0)
    assert short.isfinite().all() and float(short.norm()) <= 1.0001


@pytest.mark.parametrize("modality", ["text", "speech", "series"])
def test_a_blank_input_leaves_second_order_maml_finite(modality: str) -> None:
    """One blank text made 72 of 96 tensors NaN in one step."""
    spec = SPECS[modality]
    kind = METHODS["maml"]
    settings = settings_of(kind, {"space": {"channels": 4, "layers": 1}, "batching": "vmap"})
    method = kind([spec], settings)
    x = inputs(spec, "blank", torch.float32)[None]
    batch = Batch(x, torch.tensor([[0, 1]]))
    state, losses = method.step(
        method.start(generator(0, "start")), Progress(0, 2), [Episodes(spec, batch, batch)]
    )
    assert all(bool(t.isfinite().all()) for t in state.values())
    assert all(math.isfinite(float(loss)) for loss in losses.values())
