"""The inner loop and the two meta-updates, against finite differences, torch.optim and learn2learn."""

import pytest
import torch
from torch import Tensor

from metanas.meta.inner import ParamGroups, adapt, moves
from metanas.meta.loss import TaskLoss
from metanas.meta.maml import final_step_weights, meta_gradient
from metanas.meta.optimizers import FunctionalOptimizer, adam, clipped, momentum, sgd
from metanas.meta.reptile import displacement, support_and_query
from metanas.models.network import apply
from metanas.params import Params, detach, expand_tasks, tensors, tree_map, unflatten_like
from tests import tiny

NET, PARAMS = tiny.net()
LOSS = TaskLoss(NET, tiny.SPEC)
RULES = ParamGroups(sgd(0.3), sgd(0.7))


@pytest.mark.parametrize(
    ("optimizer", "torch_optimizer"),
    [
        (sgd(0.1), lambda x: torch.optim.SGD(x, 0.1)),
        (momentum(0.1, decay=0.02), lambda x: torch.optim.SGD(x, 0.1, momentum=0.9, weight_decay=0.02)),
        (
            adam(0.1, beta1=0.5, decay=0.1),
            lambda x: torch.optim.Adam(x, 0.1, betas=(0.5, 0.999), weight_decay=0.1),
        ),
        (adam(0.1), lambda x: torch.optim.Adam(x, 0.1)),
        (adam(0.02, beta1=0.0), lambda x: torch.optim.Adam(x, 0.02, betas=(0.0, 0.999))),
    ],
)
def test_optimizers_equal_torch_optim(optimizer: FunctionalOptimizer, torch_optimizer: object) -> None:
    ours = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    theirs = torch.nn.Parameter(ours.clone())
    stepper = torch_optimizer([theirs])  # type: ignore[operator]
    state = optimizer.init(ours)
    for step in range(5):
        g = torch.tensor([0.3, -0.1, 2.0], dtype=torch.float64) * (step + 1) - ours
        theirs.grad = g.clone()
        stepper.step()
        ours, state = optimizer.update(ours, g, state)
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-6, atol=1e-9)


def test_clipping_equals_torch() -> None:
    gradients = [torch.randn(3, generator=torch.Generator().manual_seed(i)) * 5 for i in range(4)]
    leaves = [torch.nn.Parameter(torch.zeros(3)) for _ in gradients]
    for leaf, g in zip(leaves, gradients, strict=True):
        leaf.grad = g.clone()
    torch.nn.utils.clip_grad_norm_(leaves, 1.0)
    for ours, leaf in zip(clipped(gradients, 1.0), leaves, strict=True):
        torch.testing.assert_close(ours, leaf.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("weights", "arch"), [(True, True), (True, False), (False, True)])
def test_each_group_moves_when_it_has_a_rule_and_only_then(weights: bool, arch: bool) -> None:
    policy = ParamGroups(sgd(0.3) if weights else None, sgd(0.7) if arch else None)
    start = expand_tasks(PARAMS, 3)
    moved = adapt(LOSS, start, [tiny.episodes(3).support] * 2, policy=policy, order=0)
    for group, expected in (("weights", weights), ("arch", arch)):
        before, after = getattr(start, group), getattr(moved, group)
        for name in before:
            assert bool((before[name] != after[name]).any()) == expected, name


def test_only_the_named_weights_adapt() -> None:
    policy = ParamGroups(sgd(0.3), None, adapts=moves("head"))
    moved = adapt(LOSS, expand_tasks(PARAMS, 2), [tiny.episodes(2).support], policy=policy, order=0)
    for name, t in moved.weights.items():
        assert bool((t != PARAMS.weights[name]).any()) == name.startswith("heads."), name


def test_tasks_side_by_side_equal_tasks_alone() -> None:
    support = tiny.episodes(3).support
    together_ = adapt(LOSS, expand_tasks(PARAMS, 3), [support] * 2, policy=RULES, order=0)
    for task in range(3):
        one = support.tasks(slice(task, task + 1))
        alone = adapt(LOSS, expand_tasks(PARAMS, 1), [one] * 2, policy=RULES, order=0)
        for a, b in zip(tensors(alone), tensors(together_), strict=True):
            torch.testing.assert_close(a[0], b[task], rtol=1e-9, atol=1e-11)


def query_loss_after(params: Params, steps: int) -> Tensor:
    """What MAML differentiates, written out for one task at a time."""
    episodes, total = tiny.episodes(2), torch.zeros((), dtype=torch.float64)
    for task in range(2):
        now = tree_map(lambda t: t.detach().requires_grad_(), params)
        for _ in range(steps):
            logits = apply(NET, now, episodes.support.x[task], tiny.SPEC)
            loss = torch.nn.functional.cross_entropy(logits, episodes.support.y[task])
            found = torch.autograd.grad(loss, tensors(now))
            rates = [0.3] * len(now.weights) + [0.7] * len(now.arch)
            values = [x - r * g for x, r, g in zip(tensors(now), rates, found, strict=True)]
            now = unflatten_like(now, [value.detach().requires_grad_() for value in values])
        with torch.no_grad():
            logits = apply(NET, now, episodes.query.x[task], tiny.SPEC)
            total += torch.nn.functional.cross_entropy(logits, episodes.query.y[task]) / 2
    return total


def test_second_order_maml_equals_finite_differences_on_weights_and_arch() -> None:
    gradients, value = meta_gradient(
        LOSS, detach(PARAMS), tiny.episodes(2), policy=RULES, steps=final_step_weights(2), order=2
    )
    assert value == pytest.approx(float(query_loss_after(PARAMS, 2)), rel=1e-10)
    g = torch.Generator().manual_seed(5)
    weights = len(PARAMS.weights)
    for group in (slice(0, weights), slice(weights, None)):  # a direction in each group
        direction = [torch.zeros_like(t) for t in tensors(PARAMS)]
        for i in range(len(direction))[group]:
            direction[i] = torch.randn(direction[i].shape, generator=g, dtype=torch.float64)
        eps = 1e-6
        ends = [
            query_loss_after(
                unflatten_like(
                    PARAMS, [t + s * eps * d for t, d in zip(tensors(PARAMS), direction, strict=True)]
                ),
                2,
            )
            for s in (1, -1)
        ]
        slope = float(ends[0] - ends[1]) / (2 * eps)
        ours = sum(float((a * b).sum()) for a, b in zip(gradients.values(), direction, strict=True))
        assert ours == pytest.approx(slope, rel=1e-5)


def test_first_order_maml_is_the_query_gradient_at_the_adapted_numbers() -> None:
    gradients, _ = meta_gradient(
        LOSS, detach(PARAMS), tiny.episodes(2), policy=RULES, steps=final_step_weights(1), order=1
    )
    exact, _ = meta_gradient(
        LOSS, detach(PARAMS), tiny.episodes(2), policy=RULES, steps=final_step_weights(1), order=2
    )
    episodes, expected = tiny.episodes(2), [torch.zeros_like(t) for t in tensors(PARAMS)]
    for task in range(2):
        one = episodes.support.tasks(slice(task, task + 1))
        there = tree_map(
            lambda t: t[0].detach().requires_grad_(),
            adapt(LOSS, expand_tasks(PARAMS, 1), [one], policy=RULES, order=0),
        )
        logits = apply(NET, there, episodes.query.x[task], tiny.SPEC)
        loss = torch.nn.functional.cross_entropy(logits, episodes.query.y[task])
        for e, g in zip(expected, torch.autograd.grad(loss, tensors(there)), strict=True):
            e += g / 2
    for a, b in zip(gradients.values(), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)
    assert any((a - b).abs().max() > 1e-4 for a, b in zip(gradients.values(), exact.values(), strict=True))


def test_reptile_equals_the_mean_parameter_difference_under_torch_optim() -> None:
    policy = ParamGroups(adam(0.01, beta1=0.0), adam(0.02, beta1=0.0))
    episodes = tiny.episodes(3)
    changes, _ = displacement(LOSS, PARAMS, episodes, policy=policy, steps=3)
    everything = support_and_query(episodes)
    total = [torch.zeros_like(t) for t in tensors(PARAMS)]
    for task in range(3):
        leaves = [t.detach().clone().requires_grad_() for t in tensors(PARAMS)]
        split = len(PARAMS.weights)
        optimiser = torch.optim.Adam(
            [{"params": leaves[:split], "lr": 0.01}, {"params": leaves[split:], "lr": 0.02}],
            betas=(0.0, 0.999),
        )
        for step in range(3):
            optimiser.zero_grad()
            logits = apply(NET, unflatten_like(PARAMS, leaves), everything.x[task, step::3], tiny.SPEC)
            torch.nn.functional.cross_entropy(logits, everything.y[task, step::3]).backward()
            optimiser.step()
        for sum_, leaf, start in zip(total, leaves, tensors(PARAMS), strict=True):
            sum_ += (leaf.detach() - start) / 3
    for a, b in zip(changes.values(), total, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)
