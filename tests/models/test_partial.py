"""Partial channels and edge normalisation against PC-DARTS written down again with torch's own modules."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from metanas.base.seeding import generator
from metanas.models.mixed import MixedOp
from metanas.models.network import init_weights
from metanas.models.supernet import SuperNet
from metanas.params import tree_map
from metanas.space.space import SearchSpace
from tests import tiny

OPS = ("conv3", "maxpool3", "skip")
C = 8


def shuffled(x: Tensor, groups: int) -> Tensor:
    """channel_shuffle of the published code (yuhuixu1993/PC-DARTS, model_search.py)."""
    batch, channels, height, width = x.shape
    x = x.view(batch, groups, channels // groups, height, width)
    return torch.transpose(x, 1, 2).contiguous().view(batch, -1, height, width)


def reference(x: Tensor, shares: Tensor, kernel: Tensor, partial: int) -> Tensor:
    """Xu et al., 2020, eq. 1: the mixture of the first channels beside the rest as it is."""
    first, rest = x[:, : C // partial], x[:, C // partial :]
    mixed = (
        shares[0] * F.conv2d(first, kernel, padding=1)
        + shares[1] * F.max_pool2d(first, 3, 1, 1)
        + shares[2] * first
    )
    return shuffled(torch.cat([mixed, rest], 1), partial)


@pytest.mark.parametrize("merge", [True, False])
@pytest.mark.parametrize("partial", [2, 4])
def test_a_partial_mixture_equals_pc_darts_with_gradients(partial: int, merge: bool) -> None:
    node = MixedOp(OPS, C, partial=partial, merge=merge).double()
    weights = {k: v.double() for k, v in init_weights(node, generator(0, "partial")).items()}
    (name,) = weights
    assert weights[name].shape[:2] == (C // partial, C // partial)  # 1 / partial of the channels
    g = generator(1, "partial")
    x = torch.randn(2, C, 5, 6, generator=g, dtype=torch.float64, requires_grad=True)
    shares = torch.randn(3, generator=g, dtype=torch.float64).softmax(-1).requires_grad_()
    kernel = weights[name].requires_grad_()
    ours = functional_call(node, {name: kernel}, (x, shares))
    theirs = reference(x, shares, kernel, partial)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    for a, b in zip(
        torch.autograd.grad(ours.sin().sum(), (x, shares, kernel)),
        torch.autograd.grad(theirs.sin().sum(), (x, shares, kernel)),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_edges_are_weighted_by_the_softmax_over_a_nodes_inputs() -> None:
    """Xu et al., 2020, eq. 2. With skips alone a cell's node is the norm of its weighted inputs' sum."""
    space = SearchSpace(
        ops=("skip",), activations=("identity",), layers=1, channels=C, nodes=2, partial=2, reductions=()
    )
    net = SuperNet(space, [tiny.SPEC]).double()
    params = tree_map(lambda t: t.double(), net.init(generator(0, "edges")))
    params.arch["edge0"] = torch.tensor([[0.3, -1.0]], dtype=torch.float64)
    params.arch["edge1"] = torch.tensor([[0.5, 0.0, 2.0]], dtype=torch.float64)
    assert {name: tuple(t.shape) for name, t in params.arch.items() if name.startswith("edge")} == {
        "edge0": (1, 2),
        "edge1": (1, 3),
    }
    seen: list[Tensor] = []
    net.exits["0"].register_forward_hook(lambda module, given, out: seen.append(given[0]))
    x = tiny.inputs(tiny.SPEC, 3)
    functional_call(net, params.weights, (x, params.arch, tiny.SPEC))

    def norm(t: Tensor) -> Tensor:
        return F.layer_norm(t, t.shape[1:])  # scales are 1, biases 0

    h, _ = functional_call(net.stems["image1"], prefixed(params.weights, "stems.image1."), (x,))
    passed = shuffled(h, 2)  # a skip of all channels, shuffled
    first = norm(params.arch["edge0"][0].softmax(-1).sum() * passed)
    edges = params.arch["edge1"][0].softmax(-1)
    second = norm((edges[0] + edges[1]) * passed + edges[2] * shuffled(first, 2))
    torch.testing.assert_close(seen[0], (first + second) / 2 + h, rtol=1e-9, atol=1e-10)


def prefixed(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
