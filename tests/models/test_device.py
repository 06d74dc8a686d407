"""No device is assumed: the supernet and its gradients run where the numbers are (here: on `meta`).

There is no GPU where these tests run; a tensor that some code made on the CPU by itself would not mix with
those of another device and raise.
"""

import pytest
import torch
from torch.func import functional_call

from metanas.base.seeding import generator
from metanas.data.episode import Batch, TaskSpec
from metanas.meta.inner import ParamGroups, trajectory
from metanas.meta.loss import TaskLoss
from metanas.meta.optimizers import adam, sgd
from metanas.models.supernet import SuperNet
from metanas.params import expand_tasks, tensors, tree_map
from metanas.space.candidates import ACTIVATIONS, OPS
from metanas.space.space import SearchSpace
from tests import tiny

SPACES = {
    "chain": SearchSpace(ops=tuple(OPS), activations=tuple(ACTIVATIONS), layers=1, channels=8),
    "cells": SearchSpace(layers=1, channels=8, nodes=2, partial=2, merge=False),
}


@pytest.mark.parametrize("space", list(SPACES))
@pytest.mark.parametrize("spec", tiny.SPECS, ids=lambda spec: spec.modality)
def test_the_supernet_runs_on_another_device_to_second_order(spec: TaskSpec, space: str) -> None:
    net = SuperNet(SPACES[space], [spec]).to("meta")
    params = tree_map(lambda t: t.to("meta").requires_grad_(), net.init(generator(0, "device")))
    x = tiny.inputs(spec, 3).to("meta")
    logits = functional_call(
        net, params.weights, (x if spec.modality == "text" else x.float(), params.arch, spec)
    )
    first = torch.autograd.grad(logits.sum(), tensors(params), create_graph=True, allow_unused=True)
    alive = [g for g in first if g is not None and g.requires_grad]
    second = torch.autograd.grad(sum(g.sum() for g in alive), tensors(params), allow_unused=True)
    assert {t.device.type for t in (logits, *first, *second) if t is not None} == {"meta"}


def test_the_inner_loop_runs_on_another_device() -> None:
    net = SuperNet(SPACES["chain"], [tiny.SPEC]).to("meta")
    start = expand_tasks(
        tree_map(lambda t: t.to("meta").requires_grad_(), net.init(generator(0, "device"))), 2
    )
    given = tiny.episodes(2).support
    support = Batch(given.x.float().to("meta"), given.y.to("meta"))
    for policy, order in ((ParamGroups(sgd(0.1), sgd(1.0)), 2), (ParamGroups(adam(0.1), adam(0.1)), 0)):
        for adapted in trajectory(TaskLoss(net, tiny.SPEC), start, [support] * 2, policy=policy, order=order):  # type: ignore[arg-type]
            assert {t.device.type for t in tensors(adapted)} == {"meta"}
