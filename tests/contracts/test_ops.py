"""Every registered op keeps the rules of `metanas.testing`; merging of all; equality with torch."""

import pytest
import torch
from torch import nn
from torch.func import functional_call

from metanas.models.ops import Linear
from metanas.space.candidates import ACTIVATIONS, OPS
from metanas.testing import Check, ops
from metanas.testing.check import bound
from metanas.testing.ops import C, OpSubject

CHECKS = {f"{name}-{check.name}": check for name in OPS for check in bound(ops.RULES, OpSubject(name))}
LINEAR = tuple(name for name in OPS if isinstance(OPS[name](C), Linear))


@pytest.mark.parametrize("check", CHECKS.values(), ids=list(CHECKS))
def test_op(check: Check) -> None:
    check()


@pytest.mark.parametrize("modality", list(ops.SHAPES))
@pytest.mark.parametrize(("dtype", "tolerance"), ops.DTYPES, ids=["float64", "float32"])
@pytest.mark.parametrize("names", [tuple(OPS), LINEAR], ids=["all ops", "linear ops"])
def test_all_merged_equal_the_plain_sum(
    modality: str, dtype: torch.dtype, tolerance: float, names: tuple[str, ...]
) -> None:
    ops.check_merging(names, modality, dtype, tolerance)


@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_recurrent_ops_equal_torch(name: str) -> None:
    op, weights = OpSubject(name).build()
    theirs = {"gru": nn.GRU, "lstm": nn.LSTM}[name](C, C, batch_first=True).double()
    for ours, name_ in zip(
        ("input_weight", "state_weight", "bias", "state_bias"),
        ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"),
        strict=True,
    ):
        getattr(theirs, name_).data = weights[ours] + 0.1
    x, _ = ops.features("image")
    y = functional_call(op, {k: v + 0.1 for k, v in weights.items()}, (x, None))
    expected = theirs(x.flatten(2).transpose(1, 2))[0].transpose(1, 2).reshape(x.shape)
    torch.testing.assert_close(y, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_activations_equal_torch(name: str) -> None:
    x = torch.linspace(-3, 3, 13, dtype=torch.float64)
    theirs = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "gelu": nn.GELU, "silu": nn.SiLU}
    expected = theirs.get(name, nn.Identity)()(x)
    torch.testing.assert_close(ACTIVATIONS[name](x), expected)
