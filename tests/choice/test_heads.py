"""LOO-NAS with each of its heads: what meta-training and adaptation take, and learned steps after them."""

from dataclasses import replace
from typing import get_args

import pytest
import torch

from baselines.loo_nas import LooNas
from metanas.base.seeding import generator
from metanas.choice.heads import HeadName, head_of
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.meta.mahalanobis import mahalanobis_head
from metanas.meta.prototypes import prototype_head
from metanas.method import Progress, State
from metanas.space.space import SearchSpace

SPEC = TaskSpec("a", "image", (1, 8, 8), 3, classes=4)
SPACE = SearchSpace(channels=4, layers=1, reductions=(), ops=("conv3", "fc"), sampling="uniform")
HEADS: tuple[HeadName, ...] = get_args(HeadName)


def episodes(shots: int = 2) -> Episodes:
    rng = generator(3, "tasks")
    y = torch.arange(3).repeat_interleave(shots).repeat(2, 1)
    support, query = (Batch(torch.randn(2, 3 * shots, 1, 8, 8, generator=rng), y) for _ in range(2))
    return Episodes(SPEC, support, query, torch.tensor([[0, 1, 2], [1, 2, 3]]))


@pytest.mark.parametrize("head", HEADS)
def test_learned_steps_follow_every_head(head: HeadName) -> None:
    settings = LooNas.Settings(space=SPACE, count=4, head=head, steps=2, test_steps=2, steps_from=0.0)
    method, tasks = LooNas([SPEC], settings), episodes()
    state = method.start(generator(0, "start"))
    trained, _ = method.step(state, Progress(0, 4), [tasks])
    assert all(bool(t.isfinite().all()) for t in trained.values())
    moved = method.adapt(trained, SPEC, tasks.support).predict(tasks.query.x)
    without = LooNas([SPEC], replace(settings, test_steps=0))
    start = without.adapt(trained, SPEC, tasks.support).predict(tasks.query.x)
    assert not torch.allclose(moved, start, atol=1e-4)
    torch.testing.assert_close(moved.sum(-1), torch.ones(2, 6))


@pytest.mark.parametrize("head", HEADS)
def test_what_is_predicted_is_the_head_on_the_features(head: HeadName) -> None:
    method, tasks = LooNas([SPEC], LooNas.Settings(space=SPACE, count=4, head=head)), episodes()
    state = method.start(generator(0, "start"))
    path = method.candidates[int(method.choose(state, SPEC, tasks.support, rule="shared")[0])]
    known, asked = (method._embed(state, path, SPEC, b.x) for b in (tasks.support, tasks.query))
    weight, bias = method.head.fit(state, known, tasks.support, 3)
    expected = (asked @ weight.mT + bias[:, None]).softmax(-1)
    found = LooNas([SPEC], replace(method.settings, rule="shared"))
    torch.testing.assert_close(found.adapt(state, SPEC, tasks.support).predict(tasks.query.x), expected)


def test_mahalanobis_distances_are_for_adaptation_alone() -> None:
    tasks, head = episodes(4), head_of("mahalanobis", 8.0, 2.0)
    features = tasks.support.x.flatten(2)
    given = (features, tasks.support, 3, 8.0)
    for found, expected in (
        (head.trained(State({}), *given[:3]), prototype_head(*given)),
        (head.fit(State({}), *given[:3]), mahalanobis_head(*given, 2.0)),
    ):
        for one, other in zip(found, expected, strict=True):
            assert torch.equal(one, other)
