"""The recurrent scan's written-out derivative against finite differences, to second order."""

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, jvp, vmap

from metanas.base.seeding import generator
from metanas.models.rnn_scan import Cell, GruCell, Inputs, LstmCell, unrolled
from metanas.params import Tensors
from metanas.space.candidates import OPS

C = 2


def parts(name: str, *lead: int) -> tuple[torch.nn.Module, list[str], list[Tensor]]:
    """A node, the names of its parameters, and float64 values: input (2, C, 2, 3) first, then parameters."""
    op, g = OPS[name](C), generator(0, "recurrent")
    shapes = [(2, C, 2, 3), *(p.shape for p in op.parameters())]
    values = [torch.randn(*lead, *shape, generator=g, dtype=torch.float64) for shape in shapes]
    return op, [key for key, _ in op.named_parameters()], values


def mask() -> Tensor:
    """The first example is one column short."""
    there = torch.ones(2, 1, 2, 3, dtype=torch.float64)
    there[0, ..., 2] = 0
    return there


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_first_and_second_derivatives_equal_finite_differences(name: str, padded: bool) -> None:
    op, names, values = parts(name)
    seen = mask() if padded else None

    def run(x: Tensor, *weights: Tensor) -> Tensor:
        y = functional_call(op, dict(zip(names, weights, strict=True)), (x, seen))
        return y if seen is None else y * seen

    leaves = [v.requires_grad_() for v in values]
    assert torch.autograd.gradcheck(run, leaves)
    assert torch.autograd.gradgradcheck(run, leaves)


@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_forward_mode_equals_reverse_mode(name: str) -> None:
    op, names, (x, *weights) = parts(name)
    g = generator(1, "recurrent")
    params = dict(zip(names, weights, strict=True))
    along = {key: torch.randn(w.shape, generator=g, dtype=torch.float64) for key, w in params.items()}

    def run(p: Tensors) -> Tensor:
        return functional_call(op, p, (x, mask())).square().sum()

    _, forward = jvp(run, (params,), (along,))
    reverse = torch.func.grad(run)(params)
    torch.testing.assert_close(forward, torch.stack([(reverse[k] * along[k]).sum() for k in params]).sum())


@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_tasks_side_by_side_equal_tasks_one_by_one(name: str) -> None:
    op, names, values = parts(name, 3)

    def run(x: Tensor, *weights: Tensor) -> Tensor:
        return functional_call(op, dict(zip(names, weights, strict=True)), (x, mask()))

    together = vmap(run)(*values)
    for task in range(3):
        torch.testing.assert_close(together[task], run(*(v[task] for v in values)))


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("cell", [GruCell, LstmCell])
def test_the_scan_equals_the_steps_as_they_are_defined(cell: Cell, padded: bool) -> None:
    g = generator(2, "recurrent")
    shapes = [(3, 4, 2, C), (3, C, cell.gates * C), (3, 1, cell.gates * C)]
    x, into, bias = (torch.randn(*shape, generator=g, dtype=torch.float64) for shape in shapes)
    keep = torch.ones(3, 4, 2, 1, dtype=torch.float64)
    keep[:, 2:, 0] = 0
    read = Inputs(x, into, bias, into + 1, bias - 1, keep if padded else None)
    for ours, defined in zip(cell.run(read), unrolled(cell, read), strict=True):
        torch.testing.assert_close(ours, defined)
