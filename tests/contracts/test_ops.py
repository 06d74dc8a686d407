"""Every registered op and activation, found by itself: shape, gradients, independence, padding, merging."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp

from metanas.base.seeding import generator
from metanas.models.mixed import MixedOp
from metanas.models.network import init_weights
from metanas.models.ops import Linear, Mask
from metanas.space.candidates import ACTIVATIONS, OPS

C = 8
SHAPES = {"image": (3, C, 6, 6), "text": (3, C, 1, 9), "speech": (3, C, 4, 7)}


def build(name: str) -> tuple[nn.Module, dict[str, Tensor]]:
    op = OPS[name](C).double()
    return op, {k: v.double() for k, v in init_weights(op, generator(0, name)).items()}


def features(modality: str) -> tuple[Tensor, Mask]:
    x = torch.randn(SHAPES[modality], generator=generator(1, modality), dtype=torch.float64)
    if modality == "image":
        return x, None
    mask = torch.ones(x.shape[0], 1, *x.shape[2:], dtype=torch.float64)
    mask[0, ..., 4:] = 0
    return x * mask, mask


@pytest.mark.parametrize("modality", list(SHAPES))
@pytest.mark.parametrize("name", list(OPS))
class TestOp:
    def test_keeps_the_shape_and_gives_every_parameter_a_gradient(self, name: str, modality: str) -> None:
        op, weights = build(name)
        leaves = {k: v.requires_grad_() for k, v in weights.items()}
        x, mask = features(modality)
        y = functional_call(op, leaves, (x, mask))
        assert y.shape == x.shape
        assert torch.isfinite(y).all()
        if leaves:
            for key, g in zip(leaves, torch.autograd.grad(y.sin().sum(), list(leaves.values())), strict=True):
                assert g.abs().max() > 0, key

    def test_one_by_one_equals_all_at_once(self, name: str, modality: str) -> None:
        op, weights = build(name)
        x, mask = features(modality)
        together = functional_call(op, weights, (x, mask))
        for i in range(len(x)):
            alone = functional_call(op, weights, (x[i : i + 1], None if mask is None else mask[i : i + 1]))
            torch.testing.assert_close(alone[0], together[i], rtol=1e-10, atol=1e-12)

    def test_more_padding_changes_nothing(self, name: str, modality: str) -> None:
        if modality == "image":
            return  # images are never padded
        op, weights = build(name)
        x, mask = features(modality)
        assert mask is not None
        wider = nn.functional.pad(x, (0, 3)), nn.functional.pad(mask, (0, 3))
        y, z = functional_call(op, weights, (x, mask)), functional_call(op, weights, wider)
        torch.testing.assert_close(z[..., : x.shape[-1]] * mask, y * mask, rtol=1e-10, atol=1e-12)

    def test_second_order_and_forward_mode_work(self, name: str, modality: str) -> None:
        op, weights = build(name)
        x, mask = features(modality)
        leaf = x.requires_grad_()

        def run(x: Tensor) -> Tensor:
            y: Tensor = functional_call(op, weights, (x, mask))
            return y.sin().sum()

        if not run(leaf).requires_grad:
            return  # `none` does not look at its input
        (g,) = torch.autograd.grad(run(leaf), leaf, create_graph=True)
        _, forward = jvp(run, (x.detach(),), (torch.ones_like(x),))
        torch.testing.assert_close(forward, g.sum().detach(), rtol=1e-9, atol=1e-9)
        (second,) = torch.autograd.grad(g.square().sum(), leaf)
        assert torch.isfinite(second).all()


LINEAR = tuple(name for name in OPS if isinstance(OPS[name](C), Linear))


@pytest.mark.parametrize("modality", list(SHAPES))
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)], ids=["float64", "float32"]
)
@pytest.mark.parametrize("names", [tuple(OPS), LINEAR], ids=["all ops", "linear ops"])
def test_merged_equals_the_plain_sum_with_gradients_to_second_order(
    modality: str, dtype: torch.dtype, tolerance: float, names: tuple[str, ...]
) -> None:
    """Every value within the tolerance of the largest of its tensor (at least of 1)."""
    plain, merged = (MixedOp(names, C, merge=merge).to(dtype) for merge in (False, True))
    weights = {k: v.to(dtype).requires_grad_() for k, v in init_weights(plain, generator(0, "m")).items()}
    logits = torch.randn(len(names), generator=generator(1, "m"), dtype=torch.float64).to(dtype)
    x, mask = (None if t is None else t.to(dtype) for t in features(modality))
    leaves, results = [*weights.values(), logits.requires_grad_()], []
    for node in (plain, merged):
        y = functional_call(node, weights, (x, logits.softmax(-1), mask))
        first = torch.autograd.grad(y.sin().mean(), leaves, create_graph=True, allow_unused=True)
        alive = [g for g in first if g is not None]
        second = torch.autograd.grad(
            torch.stack([g.square().sum() for g in alive]).sum(), leaves, allow_unused=True
        )
        results.append([y, *alive, *(g for g in second if g is not None)])
    for a, b in zip(*results, strict=True):
        gap, size = float((a - b).abs().max().detach()), float(b.abs().max().detach())
        assert gap <= tolerance * max(1.0, size)


@pytest.mark.parametrize("modality", list(SHAPES))
@pytest.mark.parametrize("name", list(OPS))
def test_bfloat16_autocast_is_close_and_differentiable(name: str, modality: str) -> None:
    op, weights = build(name)
    op, leaves = op.float(), {k: v.float().requires_grad_() for k, v in weights.items()}
    x, mask = (None if t is None else t.float() for t in features(modality))
    exact = functional_call(op, leaves, (x, mask))
    with torch.autocast("cpu", torch.bfloat16):
        y = functional_call(op, leaves, (x, mask))
    assert (y - exact).abs().max() <= 0.05 * exact.abs().max().clamp_min(1.0)  # bfloat16 has 8 bits
    if leaves:
        for g in torch.autograd.grad(y.float().sin().sum(), list(leaves.values())):
            assert torch.isfinite(g).all() and g.dtype == torch.float32


@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_recurrent_ops_equal_torch(name: str) -> None:
    op, weights = build(name)
    theirs = {"gru": nn.GRU, "lstm": nn.LSTM}[name](C, C, batch_first=True).double()
    for ours, name_ in zip(
        ("input_weight", "state_weight", "bias", "state_bias"),
        ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"),
        strict=True,
    ):
        getattr(theirs, name_).data = weights[ours] + 0.1
    x, _ = features("image")
    y = functional_call(op, {k: v + 0.1 for k, v in weights.items()}, (x, None))
    expected = theirs(x.flatten(2).transpose(1, 2))[0].transpose(1, 2).reshape(x.shape)
    torch.testing.assert_close(y, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_activations_equal_torch(name: str) -> None:
    x = torch.linspace(-3, 3, 13, dtype=torch.float64)
    theirs = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "gelu": nn.GELU, "silu": nn.SiLU}
    expected = theirs.get(name, nn.Identity)()(x)
    torch.testing.assert_close(ACTIVATIONS[name](x), expected)
