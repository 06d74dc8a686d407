"""Costs against torch's own counter, closed forms and finite differences."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from metanas.base.seeding import generator
from metanas.data.episode import TaskSpec
from metanas.engine.config import ConfigError, plain, settings_of
from metanas.meta.inner import ParamGroups, adapt
from metanas.meta.loss import TaskLoss
from metanas.meta.optimizers import sgd
from metanas.method import METHODS
from metanas.models.derived import derived_net
from metanas.models.macs import macs, op_macs, parameters, spec_of
from metanas.models.relaxation import one_hot, softmax
from metanas.models.supernet import SuperNet
from metanas.params import expand_tasks
from metanas.search.cost import expected_macs, expected_milliseconds, expected_parameters, penalty
from metanas.search.latency import Latencies
from metanas.search.variation import sample
from metanas.space.architecture import parse
from metanas.space.candidates import OPS
from metanas.space.cost_budget import Cost
from metanas.space.space import SearchSpace
from tests import tiny

EVERY = SearchSpace(ops=tuple(OPS), layers=3, channels=8)


@pytest.mark.parametrize("size", [(6, 5), (1, 9)], ids=["grid", "row"])
@pytest.mark.parametrize("name", list(OPS))
def test_an_ops_macs_are_what_torch_counts(name: str, size: tuple[int, int]) -> None:
    op = OPS[name](8)
    x = torch.zeros(1, 8, *size)
    for parameter in op.parameters():
        parameter.data.zero_()
    with FlopCounterMode(display=False) as counter:
        op(x.requires_grad_(), None)
    assert counter.get_total_flops() == 2 * op_macs(name, 8, *size)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (24,), (40, 51)], ids=str)
def test_an_architectures_macs_are_what_torch_counts(shape: tuple[int, ...]) -> None:
    g, spec = generator(0, "macs"), spec_of(shape, 5)
    for _ in range(4):
        architecture = sample(EVERY, g)
        net = derived_net(architecture, spec, generator=g)
        x = torch.zeros(1, *shape, dtype=torch.long if spec.modality == "text" else torch.float)
        with FlopCounterMode(display=False) as counter:
            net(x)
        assert counter.get_total_flops() == 2 * macs(architecture, shape), str(architecture)


def test_parameters_are_those_of_layers_and_exit() -> None:
    g = generator(0, "parameters")
    for _ in range(10):
        architecture = sample(EVERY, g)
        net = derived_net(architecture, tiny.SPEC, generator=g)
        parts = [*net.nodes.parameters(), *net.norms.parameters(), *net.exits.parameters()]
        assert parameters(architecture) == sum(p.numel() for p in parts)


@pytest.mark.parametrize("spec", tiny.SPECS, ids=lambda spec: spec.modality)
@pytest.mark.parametrize("nodes", [0, 2], ids=["chain", "cells"])
def test_expectations_are_the_architectures_costs_where_one_is_chosen(spec: TaskSpec, nodes: int) -> None:
    space = SearchSpace(ops=tuple(OPS), channels=8, nodes=nodes)
    for i in range(5):
        architecture = sample(space, generator(i, "expected"))
        chosen = one_hot(space, architecture)
        assert float(expected_macs(space, chosen, spec)) == macs(architecture, spec)
        assert float(expected_parameters(space, chosen, spec)) == parameters(architecture)


def test_an_expectation_is_the_mean_over_drawn_architectures() -> None:
    space = SearchSpace(ops=("conv1", "conv5", "attn"), activations=("relu",), layers=2, channels=8)
    logits = {"node": torch.tensor([[0.0, 1.0, -1.0], [1.0, 0.0, 0.5]]), "depth": torch.tensor([0.3, -0.2])}
    node, depth = logits["node"].softmax(-1), logits["depth"].softmax(-1)
    mean = 0.0
    for d in range(2):
        for i in range(3):
            for j in range(3):
                text = " > ".join(f"{space.ops[k]}/relu" for k in (i, j)[: d + 1])
                share = depth[d] * node[0, i] * node[1, j]  # for d = 0 the sum over j is 1
                mean += float(share) * macs(parse(text, space), (1, 28, 28))
    found = expected_macs(space, softmax(logits), TaskSpec("", "image", (1, 28, 28), 5))
    assert abs(float(found) / mean - 1) < 1e-5


def test_the_penalty_is_free_below_the_budget_and_its_gradient_right_above() -> None:
    space = SearchSpace(layers=2, channels=4, reductions=())
    net = SuperNet(space, [tiny.SPEC])
    logits = {
        k: torch.randn(t.shape, generator=generator(0, k), dtype=torch.float64) for k, t in net.arch().items()
    }
    spec, macs = tiny.SPEC, float(expected_macs(space, softmax(logits), tiny.SPEC))
    assert penalty(space, softmax(logits), spec, Cost()) is None
    assert penalty(space, softmax(logits), spec, Cost(macs=1.1 * macs)) == 0
    half = penalty(space, softmax(logits), spec, Cost(macs=macs / 2, weight=3.0))
    assert half is not None and abs(float(half) - 3.0) < 1e-6

    def priced(node: torch.Tensor, depth: torch.Tensor) -> torch.Tensor:
        found = penalty(
            space, softmax({**logits, "node": node, "depth": depth}), spec, Cost(macs=macs / 2, parameters=10)
        )
        assert found is not None
        return found

    leaves = (logits["node"].requires_grad_(), logits["depth"].requires_grad_())
    assert torch.autograd.gradcheck(priced, leaves)
    with pytest.raises(ValueError, match="cost.macs must be 0 .no budget. or positive, got -1"):
        Cost(macs=-1)


def test_adapting_under_a_budget_ends_with_fewer_macs() -> None:
    ends = []
    for cost in (Cost(), Cost(macs=1.0, weight=3e-3)):
        net, params = tiny.net(replace(tiny.SPACE, cost=cost))
        end = adapt(
            TaskLoss(net, tiny.SPEC),
            expand_tasks(params, 2),
            [tiny.episodes(2).support] * 5,
            policy=ParamGroups(sgd(0.1), sgd(0.5)),
            order=0,
        )
        ends.append(expected_macs(net.space, softmax(end.arch), tiny.SPEC))
    assert (ends[1] < 0.9 * ends[0]).all()


def test_set_reaches_the_budget() -> None:
    settings = settings_of(METHODS["maml"], {"cost": {"macs": "1e6"}, "space": {"layers": 2}})
    assert settings.space.cost == Cost(macs=1e6)
    kept = plain(settings)
    assert SearchSpace(**kept["space"]) == settings.space  # as the leaderboard reads it
    assert settings_of(METHODS["maml"], kept) == settings
    with pytest.raises(
        ConfigError, match="no setting named 'space.cost.mac'; did you mean 'space.cost.macs'"
    ):
        settings_of(METHODS["maml"], {"cost": {"mac": 1}})


def test_latencies_are_measured_once_and_kept_for_one_machine(tmp_path: Path) -> None:
    path = tmp_path / "latency.json"
    table = Latencies(path, "this")
    conv, none = table("conv5", 32, 28, 28), table("none", 32, 28, 28)
    assert conv > none > 0  # a 5x5 convolution takes longer than to make zeros
    again = Latencies(path, "this")
    assert again("conv5", 32, 28, 28) == conv
    assert Latencies(path, "other").table == {}
    space = SearchSpace(ops=("conv5", "none"), activations=("relu",), layers=1, reductions=())
    table.table |= {f"{op} 32 7x7": ms for op, ms in (("conv5", 3.0), ("none", 1.0))}
    half = softmax({"node": torch.zeros(1, 2), "activation": torch.zeros(1, 1), "depth": torch.zeros(1)})
    spec = TaskSpec("", "image", (1, 28, 28), 5)
    assert float(expected_milliseconds(space, half, spec, table)) == 2.0


def test_the_cost_of_a_mixture_of_tasks_is_one_number_each() -> None:
    net = SuperNet(EVERY, [tiny.SPEC])
    mixture = softmax(expand_tasks(net.init(generator(0, "x")), 3).arch)
    assert expected_macs(EVERY, mixture, tiny.SPEC).shape == (3,)
