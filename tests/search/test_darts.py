"""DARTS' gradients of the architecture, against finite differences of what they are gradients of."""

import pytest
import torch

from metanas.meta.loss import TaskLoss
from metanas.params import Params, expand_tasks
from metanas.search.darts import Order, arch_gradient, step
from metanas.space.space import SearchSpace
from tests import tiny

NET, PARAMS = tiny.net(SearchSpace(ops=("conv3", "gru", "attn"), layers=2, channels=4, reductions=()))
LOSS = TaskLoss(NET, tiny.SPEC)
TASKS, RATE = 2, 0.1
EPISODES = tiny.episodes(TASKS)
START = expand_tasks(PARAMS, TASKS)


def gradient(order: Order) -> dict[str, torch.Tensor]:
    support, query = EPISODES.support, EPISODES.query
    return arch_gradient(LOSS, START, support, query, rate=RATE, order=order, small=1e-5)[0]


@pytest.mark.parametrize(("order", "rate"), [("exact", RATE), ("first", 0.0)])
def test_gradients_are_the_slopes_of_the_validation_loss_after_the_step(order: Order, rate: float) -> None:
    def valid(arch: dict[str, torch.Tensor]) -> torch.Tensor:
        params = Params({k: t.clone().requires_grad_() for k, t in START.weights.items()}, arch)
        return LOSS(step(LOSS, params, EPISODES.support, rate, create_graph=False), EPISODES.query).detach()

    found, small = gradient(order), 1e-5
    for name in ("node", "depth"):
        at = (0, 1) if name == "node" else (1,)
        moved = []
        for sign in (1, -1):
            arch = {k: t.clone() for k, t in START.arch.items()}
            arch[name][(slice(None), *at)] += sign * small
            moved.append(valid(arch))
        slope = (moved[0] - moved[1]) / (2 * small)
        torch.testing.assert_close(found[name][(slice(None), *at)], slope, rtol=1e-5, atol=1e-9)


def test_the_papers_difference_agrees_with_the_exact_second_order() -> None:
    first, finite, exact = (gradient(order) for order in ("first", "finite", "exact"))  # type: ignore[arg-type]
    for name in exact:
        gap = (finite[name] - exact[name]).norm() / exact[name].norm()
        assert gap < 1e-6, name
        assert (first[name] - exact[name]).norm() / exact[name].norm() > 0.01, name  # the term is there


def test_first_order_has_no_step_and_losses_are_those_of_the_tasks() -> None:
    gradients, values = arch_gradient(LOSS, START, EPISODES.support, EPISODES.query, rate=9.0, order="first")
    torch.testing.assert_close(values, LOSS(START, EPISODES.query))
    assert gradients["node"].shape == START.arch["node"].shape
    _, stepped = arch_gradient(LOSS, START, EPISODES.support, EPISODES.query, rate=RATE, order="exact")
    assert not torch.allclose(values, stepped)
