"""What accelerators do to many tensors in one kernel equals what the CPU does to one after the other."""

import pytest
import torch

from metanas.base.seeding import generator
from metanas.meta import outer
from metanas.meta.optimizers import adam, clipped, momentum, sgd
from metanas.method import State
from metanas.models.ops import _shares
from metanas.models.relaxation import _project

SHAPES = {"weights/a": (3, 4), "weights/b": (5,), "rates/c": ()}


def numbers(seed: int) -> dict[str, torch.Tensor]:
    dice = generator(seed, "together")
    return {name: torch.randn(shape, generator=dice, dtype=torch.float64) for name, shape in SHAPES.items()}


@pytest.mark.parametrize("optimizer", [adam(0.1), adam(0.1, beta1=0.0, decay=0.01), sgd(0.1), momentum(0.1)])
def test_the_outer_step(optimizer) -> None:  # type: ignore[no-untyped-def]
    one = many = State(numbers(0))
    for step in range(3):
        gradients = numbers(step + 1)
        if step == 1:
            del gradients["weights/b"]  # its step count falls behind the others'
        one = outer.descend(one, gradients, lambda name: optimizer)
        many = outer._descend_together(many, gradients, lambda name: optimizer)
    assert one.keys() == many.keys()
    for name, value in one.items():
        torch.testing.assert_close(many[name], value, rtol=1e-12, atol=1e-14)


def test_clipping_and_means(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [numbers(0), numbers(1) | {"own": torch.ones(2, dtype=torch.float64)}]
    names = list(dict.fromkeys(name for part in parts for name in part))
    expected = outer._means(parts, names)
    together = outer._means_together(parts, names)
    for a, b in zip(together, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=0)
    scaled = clipped(expected, 0.5)
    assert float(torch.stack([t.norm() for t in scaled]).norm()) == pytest.approx(0.5)


@pytest.mark.parametrize(("size", "cells"), [(7, 2), (8, 4), (5, 4), (3, 4), (4, 1), (13, 4)])
def test_adaptive_means_as_matrix_products(size: int, cells: int) -> None:
    x = torch.randn(2, 3, 6, size, dtype=torch.float64)
    expected = torch.nn.functional.adaptive_avg_pool2d(x, (2, cells))
    found = _shares(6, 2, x) @ x @ _shares(size, cells, x).T
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


def test_running_sums_as_a_matrix_product() -> None:
    t = torch.randn(4, 6, dtype=torch.float64)
    triangle = torch.ones(6, 6, dtype=torch.float64).triu()
    torch.testing.assert_close(t @ triangle, t.cumsum(-1), rtol=1e-12, atol=1e-14)
    assert float(_project(t).sum()) == pytest.approx(4)
