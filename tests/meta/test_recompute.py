"""Recomputed steps: the same meta-gradient in less memory."""

from weakref import WeakSet

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from metanas.meta.inner import ParamGroups, StepPolicy, moves, trajectory
from metanas.meta.loss import TaskLoss
from metanas.meta.maml import final_step_weights, meta_gradient
from metanas.meta.optimizers import adam, sgd
from metanas.meta.rates import LearnedRates, start
from metanas.meta.recompute import recomputed_trajectory
from metanas.params import Tensors, detach, expand_tasks, tensors
from tests import tiny

NET, PARAMS = tiny.net()
LOSS = TaskLoss(NET, tiny.SPEC)
EPISODES = tiny.episodes(2)


def learned(rates: Tensors) -> StepPolicy:
    return LearnedRates(rates, "tensor", moves("both"))


def gradients(steps: int, *, again: bool) -> Tensors:
    params = detach(PARAMS)
    rates = start(params, "tensor", steps, lambda name, shape: torch.full(shape, 0.1, dtype=torch.float64))
    rates = {name: t.requires_grad_() for name, t in rates.items()}
    found, _ = meta_gradient(
        LOSS,
        params,
        EPISODES,
        policy=learned(rates),
        order=2,
        steps=[1 / steps] * steps,
        rates=rates,
        again=learned if again else None,
    )
    return found


def test_the_meta_gradient_is_the_same_for_weights_arch_and_rates() -> None:
    kept, again = gradients(3, again=False), gradients(3, again=True)
    assert kept.keys() == again.keys()
    for name, value in kept.items():
        torch.testing.assert_close(again[name], value, rtol=1e-10, atol=1e-12, msg=name)
    assert any(name.startswith("rates/") and value.any() for name, value in again.items())


class Box:
    """What autograd keeps of a tensor, as long as it keeps it."""

    def __init__(self, t: torch.Tensor) -> None:
        self.t = t


def kept(steps: int, *, again: bool) -> int:
    """Bytes that the way of so many steps keeps for its gradient, each storage once."""
    boxes: WeakSet[Box] = WeakSet()

    def pack(t: torch.Tensor) -> Box:
        boxes.add(box := Box(t))
        return box

    params, policy = expand_tasks(detach(PARAMS), 2), ParamGroups(sgd(0.1), sgd(0.1))
    batches = [EPISODES.support] * steps
    with saved_tensors_hooks(pack, lambda box: box.t):
        if again:
            way = recomputed_trajectory(LOSS, params, batches, policy=lambda rates: policy, rates={})
        else:
            way = trajectory(LOSS, params, batches, policy=policy, order=2)
        alive = list(way)
        storages = [box.t.untyped_storage() for box in boxes]
        assert len(alive) == steps
        return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def test_a_step_more_keeps_little_more_than_its_parameters() -> None:
    each = 2 * sum(t.numel() * t.element_size() for t in tensors(PARAMS))  # of two tasks
    assert kept(4, again=True) - kept(3, again=True) <= 1.1 * each
    assert kept(4, again=False) - kept(3, again=False) > 3 * each


def test_rules_with_a_memory_are_refused() -> None:
    policy = ParamGroups(adam(0.1), None)
    with pytest.raises(ValueError, match="only steps of optimizers without a state .sgd. can be recomputed"):
        meta_gradient(
            LOSS,
            detach(PARAMS),
            EPISODES,
            policy=policy,
            order=2,
            steps=final_step_weights(2),
            again=lambda rates: policy,
        )
