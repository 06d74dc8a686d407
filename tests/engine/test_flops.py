"""Counted operations against multiply-accumulates worked out by hand."""

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from baselines.scratch import Scratch
from metanas.base import machine, plugins
from metanas.base.seeding import generator
from metanas.data.episode import Batch, Episodes
from metanas.engine import flops
from metanas.space.space import SearchSpace
from tests.tiny import SPEC


def test_a_convolution_counts_two_operations_a_multiply_accumulate() -> None:
    x, kernel = torch.zeros(1, 3, 8, 8), torch.zeros(5, 3, 3, 3)
    assert flops.count(lambda: torch.nn.functional.conv2d(x, kernel, padding=1)) == 2 * 5 * 3 * 9 * 64


@pytest.mark.parametrize("order", ["first", "second"])
def test_the_count_is_that_of_torchs_own_counter(order: str) -> None:
    """On what its formulas count rightly: convolutions without groups, products, attention."""
    kernel = torch.randn(4, 3, 3, 3, requires_grad=True)
    query = torch.randn(2, 4, 6, 4, requires_grad=True)

    def work() -> None:
        maps = torch.nn.functional.conv2d(torch.ones(2, 3, 8, 8), kernel, stride=2).flatten(2)
        seen = torch.nn.functional.scaled_dot_product_attention(query, query, query)
        loss = torch.einsum("bcp,bdp->bcd", maps, maps.tanh()).sum() + (query @ query.mT).exp().sum()
        loss = loss + seen.sum() if order == "first" else loss  # attention's kernel has one derivative
        grads = torch.autograd.grad(loss, (kernel, query), create_graph=order == "second")
        if order == "second":
            torch.autograd.grad(sum(g.square().sum() for g in grads), (kernel, query))
        with torch.no_grad():
            torch.nn.functional.linear(torch.ones(5, 3), torch.ones(7, 3))

    with FlopCounterMode(display=False) as oracle:
        work()
    assert flops.count(work) == oracle.get_total_flops() > 0


def test_adaptation_costs_in_proportion_to_its_steps() -> None:
    space = SearchSpace(ops=("conv3", "skip"), layers=1, channels=4, reductions=())
    x = torch.randn(1, 4, *SPEC.input_shape, generator=generator(0, "cost"))
    y = torch.tensor([[0, 0, 1, 1]])
    episodes = Episodes(SPEC, Batch(x, y), Batch(x, y))

    def measured(steps: int) -> tuple[int, int]:
        method = Scratch([SPEC], Scratch.Settings(space=space, test_steps=steps))
        return flops.adapt_flops(method, method.start(generator(0, "start")), episodes)

    (none, predict), (one, again), (four, _) = measured(0), measured(1), measured(4)
    assert none == 0 and one > 0 and four == 4 * one
    assert predict == again
    stem = 4 * 1 * 9 * 16 + 4 * 4 * 9 * 4  # two 3 x 3 convolutions of stride 2, to maps of 4 x 4 and 2 x 2
    node = 4 * 4 * 9 * 4  # the merged candidates: one 3 x 3 convolution
    head = 16 * 2
    assert predict == stem + node + head
    forward = 4 * predict  # four support examples; backward costs once or twice that again
    assert 2 * 2 * forward <= one <= 2 * 3.5 * forward


def test_the_code_that_runs_has_a_commit_in_a_checkout_and_none_elsewhere(tmp_path: Path) -> None:
    found = machine.revision(plugins.folder("metanas").parent)
    assert found is None or len(found[0]) == 40
    assert machine.revision(tmp_path / "a") is None
