"""GDAS' sampling, soft pruning, hard logits, the halves of a support."""

import torch

from baselines.darts import halves
from baselines.metanas_reptile import MetaNas
from metanas.base.seeding import generator
from metanas.data.episode import Batch
from metanas.meta.inner import ParamGroups, adapt
from metanas.meta.loss import TaskLoss
from metanas.meta.optimizers import sgd
from metanas.models.relaxation import gumbel
from metanas.params import Params, expand_tasks
from metanas.search.discretize import discretize, logits_of, single, single_of
from metanas.search.variation import sample
from metanas.space.architecture import derive
from tests import tiny

NET, PARAMS = tiny.net()
EPISODES = tiny.episodes(2)


def test_gdas_draws_candidates_as_often_as_the_softmax_says() -> None:
    logits, draws = torch.tensor([[0.5, -1.0, 0.0, 1.2]]), 20_000
    relax = gumbel(1.0, generator(0, "gdas"))
    many = relax({"node": logits.expand(draws, 1, 4)}).weights["node"][:, 0]
    assert ((many - many.round()).abs() < 1e-6).all() and (many.round().sum(-1) == 1).all()
    shares = many.round().mean(0)
    expected = logits.softmax(-1)[0]
    deviation = (expected * (1 - expected) / draws).sqrt()
    assert ((shares - expected).abs() < 4 * deviation).all()


def test_gdas_can_draw_alike_for_all_tasks() -> None:
    relax = gumbel(1.0, generator(0, "gdas"), alike=True)
    weights = relax({"node": torch.zeros(7, 5, 4)}).weights["node"]
    assert (weights == weights[:1]).all()


def test_soft_pruning_ends_one_hot() -> None:
    method = MetaNas([tiny.SPEC], MetaNas.Settings(space=tiny.SPACE))
    logits = {"node": torch.randn(3, 2, 8, generator=generator(1, "logits"))}
    losses = method.losses(tiny.SPEC, 10, anneal=True)
    spread = [loss.relax(logits).weights["node"].amax(-1).mean() for loss in losses]
    assert all(a <= b + 1e-6 for a, b in zip(spread, spread[1:], strict=False))
    last = losses[-1].relax({"node": 3 * logits["node"]}).weights["node"]
    assert ((last > 0).sum(-1) == 1).float().mean() > 0.8  # all but near ties
    first = losses[0].relax(logits).weights["node"]
    torch.testing.assert_close(first, logits["node"].softmax(-1) * (first > 0))


def test_hard_logits_stand_for_one_architecture() -> None:
    drawn = sample(tiny.SPACE, generator(2, "arch"))
    logits = logits_of(tiny.SPACE, drawn)
    assert derive(tiny.SPACE, **{name: t.tolist() for name, t in logits.items()}) == drawn
    for name, t in discretize(tiny.SPACE, logits, tiny.SPECS[0]).items():
        assert torch.equal(t, logits[name]), name
    mixture = single(logits)
    assert all(((t == 0) | (t == 1)).all() for t in mixture.weights.values())


def test_weights_move_under_a_hard_mixture_only_where_it_computes() -> None:
    drawn = sample(tiny.SPACE, generator(2, "arch"))
    arch = {name: t.double() for name, t in logits_of(tiny.SPACE, drawn).items()}
    loss = TaskLoss(NET, tiny.SPEC, single)
    start = expand_tasks(Params(PARAMS.weights, arch), 2)
    moved = adapt(loss, start, [EPISODES.support], policy=ParamGroups(sgd(0.1), None), order=0)
    used = {f"nodes.{i}.candidates.{layer.op}." for i, layer in enumerate(drawn.layers)}  # type: ignore[union-attr]
    for name, t in moved.weights.items():
        if ".candidates." in name:
            changed = bool((t != start.weights[name]).any())
            assert changed == any(name.startswith(prefix) for prefix in used), name


def test_the_halves_of_a_support_share_nothing_unless_there_is_one_shot() -> None:
    x = torch.arange(10.0).view(1, 10, 1)
    y = torch.arange(5).repeat_interleave(2)[None]
    train, val = halves(Batch(x, y), 5)
    assert sorted([*train.x.flatten().tolist(), *val.x.flatten().tolist()]) == list(range(10))
    assert torch.equal(train.y, val.y)
    with_one = Batch(x[:, ::2], y[:, ::2])
    assert halves(with_one, 5) == (with_one, with_one)


def test_one_known_architecture_is_the_mixture_that_its_hard_logits_give() -> None:
    for seed in range(5):
        architecture = sample(tiny.SPACE, generator(seed, "one"))
        logits = {name: t.expand(3, *t.shape) for name, t in logits_of(tiny.SPACE, architecture).items()}
        read, known = single(logits), single_of(tiny.SPACE, architecture)(logits)
        layers = len(architecture.layers)
        for name, count in (("node", layers * tiny.SPACE.edges), ("activation", layers), ("depth", 1)):
            assert read.active[name][:count] == known.active[name][:count]
            rows = (...,) if name == "depth" else (slice(None), slice(count))
            assert torch.equal(read.weights[name][rows], known.weights[name][rows])
