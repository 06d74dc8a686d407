"""Reptile whose Adam remembers: one optimiser of torch's over all tasks, in training and at test."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from baselines.reptile import Reptile
from metanas.base.seeding import generator
from metanas.data.episode import Episodes
from metanas.meta.reptile import support_and_query
from metanas.method import Progress, State
from metanas.models.network import apply
from metanas.params import Params, named_tensors, tensors, unflatten_like
from metanas.space.network_config import NetworkConfig
from tests import tiny

SETTINGS = Reptile.Settings(space=tiny.SPACE, steps=2, test_steps=3, keep_moments=True)


def doubled(state: State) -> State:
    return State({name: t.double() for name, t in state.items()})


def method(settings: Reptile.Settings = SETTINGS) -> tuple[Reptile, State]:
    made = Reptile([tiny.SPEC], settings)
    made.net.double()
    return made, doubled(made.start(generator(0, "kept")))


def row(episodes: Episodes, task: int) -> Episodes:
    return episodes.tasks(slice(task, task + 1))


class Theirs:
    """Parameters under one torch.optim.Adam that no task resets."""

    def __init__(self, reptile: Reptile, params: Params) -> None:
        self.net, self.params = reptile.net, params
        self.leaves = [t.clone().requires_grad_() for t in tensors(params)]
        split, s = len(params.weights), reptile.settings
        rates = (self.leaves[:split], s.weight_rate), (self.leaves[split:], s.arch_rate)
        groups: list[dict[str, Any]] = [{"params": leaves, "lr": rate} for leaves, rate in rates]
        self.optimiser = torch.optim.Adam(groups, betas=(0.0, 0.999))

    def step(self, x: Tensor, y: Tensor) -> None:
        self.optimiser.zero_grad()
        logits = apply(self.net, unflatten_like(self.params, self.leaves), x, tiny.SPEC)
        torch.nn.functional.cross_entropy(logits, y).backward()
        self.optimiser.step()

    @torch.no_grad()
    def back(self, share: float, start: list[Tensor]) -> None:
        for leaf, before in zip(self.leaves, start, strict=True):
            leaf.copy_(before + share * (leaf - before))


def test_one_task_after_the_other_is_torch_adam_that_is_never_reset() -> None:
    (reptile, state), episodes = method(), tiny.episodes(3)
    theirs = Theirs(reptile, state.params)
    for at in range(2):
        one, progress = row(episodes, at), Progress(at, 2)
        state, _ = reptile.step(state, progress, [one])
        everything, start = support_and_query(one), [t.detach().clone() for t in theirs.leaves]
        for part in range(2):
            theirs.step(everything.x[0, part::2], everything.y[0, part::2])
        theirs.back(progress.remaining, start)
    for name, leaf in zip(named_tensors(state.params), theirs.leaves, strict=True):
        torch.testing.assert_close(state[name], leaf.detach(), rtol=1e-7, atol=1e-9)

    task = row(episodes, 2)
    answers = reptile.adapt(state, tiny.SPEC, task.support).predict(task.query.x)
    for _ in range(3):
        theirs.step(task.support.x[0], task.support.y[0])
    logits = apply(reptile.net, unflatten_like(theirs.params, theirs.leaves), task.query.x[0], tiny.SPEC)
    torch.testing.assert_close(answers[0], logits.detach().softmax(-1), rtol=1e-6, atol=1e-8)


def test_tasks_of_a_batch_begin_alike_and_their_mean_is_kept() -> None:
    (reptile, state), episodes = method(), tiny.episodes(3)
    state, _ = reptile.step(state, Progress(0, 9), [row(episodes, 0)])
    together_, _ = reptile.step(state, Progress(1, 9), [episodes])
    apart = [reptile.step(state, Progress(1, 9), [row(episodes, task)])[0] for task in range(3)]
    for name, t in together_.items():
        mean = torch.stack([one[name] for one in apart]).mean(0)
        torch.testing.assert_close(t, mean, rtol=1e-8, atol=1e-10)


def test_one_by_one_batch_norm_mixes_no_queries() -> None:
    settings = Reptile.Settings(
        network=NetworkConfig("conv4", width=4, norm="batch"), adapts="weights", test_steps=2, one_by_one=True
    )
    reptile, episodes = Reptile([tiny.SPEC], settings), tiny.episodes(2)
    reptile.net.double()
    assert not reptile.transductive
    state = doubled(reptile.start(generator(0, "kept")))
    adapted = reptile.adapt(state, tiny.SPEC, episodes.support)
    everything, x = adapted.predict(episodes.query.x), episodes.query.x
    torch.testing.assert_close(adapted.predict(x[:, 2:3]), everything[:, 2:3], rtol=1e-12, atol=0)
    assert adapted.weights is not None
    for task in range(2):
        params = Params({name: t[task] for name, t in adapted.weights.items()}, {})
        batch = torch.cat([episodes.support.x[task], x[task, 2:3]])
        logits = apply(reptile.net, params, batch, tiny.SPEC)
        torch.testing.assert_close(everything[task, 2], logits[-1].softmax(-1).detach(), rtol=1e-9, atol=0)


def test_test_tasks_have_their_own_rate_and_training_the_usual() -> None:
    (reptile, state), episodes = method(replace(SETTINGS, test_weight_rate=0.002)), tiny.episodes(2)
    (usual, _), (slow, _) = method(), method(replace(SETTINGS, weight_rate=0.002))
    trained, expected = (m.step(state, Progress(0, 2), [episodes])[0] for m in (reptile, usual))
    assert all(torch.equal(trained[name], t) for name, t in expected.items())
    mine, theirs, other = (
        m.adapt(trained, tiny.SPEC, episodes.support).weights for m in (reptile, slow, usual)
    )
    assert mine is not None and theirs is not None and other is not None
    assert all(torch.equal(mine[name], t) for name, t in theirs.items())
    assert any(not torch.equal(mine[name], t) for name, t in other.items())
