"""LOO-NAS trains the paths that judged best: what each domain keeps, and that nothing else is drawn."""

from collections import Counter
from dataclasses import replace
from functools import partial

import pytest
import torch

from baselines.loo_nas import LooNas, halved
from metanas.base.seeding import generator
from metanas.choice.judged import recorded
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.engine import flops
from metanas.engine.validation import EARLY_TASKS
from metanas.method import Progress
from metanas.space.space import SearchSpace

SPECS = (TaskSpec("a", "image", (1, 8, 8), 5), TaskSpec("b", "image", (1, 8, 8), 5))
SPACE = SearchSpace(channels=8, layers=2, reductions=(), stem="lean", sampling="uniform")
LOSSES = torch.tensor([1.6, 0.2, 1.5, 0.9, 1.55, 0.8, 1.4, 1.3])


@pytest.mark.parametrize(
    ("halvings", "spread", "kept"),
    [
        (0, 0.0, {0, 1, 2, 3, 4, 5, 6, 7}),
        (1, 0.0, {1, 5, 3, 7}),
        (2, 0.0, {1, 5}),
        (3, 0.0, {1}),
        (9, 0.0, {1}),
        (3, 0.65, {1, 5}),
        (3, 9.0, {0, 1, 2, 3, 4, 5, 6, 7}),
    ],
)
def test_the_better_half_stays_and_what_is_near_the_best(
    halvings: int, spread: float, kept: set[int]
) -> None:
    assert set(halved(LOSSES, range(8), halvings, spread)) == kept


def test_what_costs_too_much_is_never_kept() -> None:
    assert halved(LOSSES, [0, 2, 4], 1, 0.0) == [2, 4]


def trained() -> Episodes:
    """Two five-way tasks of the domain "a" with ten meta-train classes."""
    rng = generator(1, "tasks")

    def batch(each: int) -> Batch:
        x = torch.randn(2, 5 * each, 1, 8, 8, generator=rng)
        return Batch(x, torch.arange(5).repeat_interleave(each).repeat(2, 1))

    spec = replace(SPECS[0], classes=10)
    return Episodes(spec, batch(1), batch(2), torch.stack([torch.arange(5), torch.arange(3, 8)]))


TRAINED = trained()


def drawn(method: LooNas, spec: TaskSpec, iterations: range) -> Counter[str]:
    rows = LOSSES.repeat(EARLY_TASKS, 1)
    state = method.start(generator(0, "x")) | recorded("a", rows, rows) | recorded("b", -rows, -rows)
    return Counter(str(path) for i in iterations for path in method._trained(state, spec, Progress(i, 400)))


def test_each_domain_draws_what_it_kept_and_before_that_from_the_space() -> None:
    method = LooNas(SPECS, LooNas.Settings(space=SPACE, count=8, focus=0.5, judgements=2, spread=0.0))
    assert list(method.selects_at()) == [0.5, 0.75]
    names = [str(candidate) for candidate in method.candidates]
    assert len(drawn(method, SPECS[0], range(100, 200))) > 20
    assert set(drawn(method, SPECS[0], range(200, 300))) == {names[i] for i in (1, 5, 3, 7)}
    assert set(drawn(method, SPECS[0], range(300, 400))) == {names[i] for i in (1, 5)}
    assert set(drawn(method, SPECS[1], range(300, 400))) == {names[i] for i in (0, 4)}


def test_several_paths_are_those_of_as_many_iterations_and_their_gradients_are_averaged() -> None:
    """Adam's first moment is a tenth of the gradient: the mean of those that single paths give."""
    settings = LooNas.Settings(space=SPACE, count=8, clip=float("inf"), focus=1.0)
    one, two = LooNas([TRAINED.spec], settings), LooNas([TRAINED.spec], replace(settings, paths=2))
    state = one.start(generator(0, "x"))
    assert two._trained(state, TRAINED.spec, Progress(3, 9)) == [
        *one._trained(state, TRAINED.spec, Progress(6, 9)),
        *one._trained(state, TRAINED.spec, Progress(7, 9)),
    ]

    def moments(method: LooNas, iteration: int) -> dict[str, torch.Tensor]:
        after, _ = method.step(state, Progress(iteration, 9), [TRAINED])
        return {name: t for name, t in after.items() if name.startswith("memory/0/")}

    first, second, both = moments(one, 0), moments(one, 1), moments(two, 0)
    assert set(both) == set(first) | set(second)
    for name, moment in both.items():
        zero = torch.zeros_like(moment)
        assert torch.allclose(moment, (first.get(name, zero) + second.get(name, zero)) / 2, atol=1e-7), name


def test_operations_are_counted_over_many_paths() -> None:
    """They were those of the first path, which the method draws itself."""
    method = LooNas([TRAINED.spec], LooNas.Settings(space=SPACE, count=8, focus=1.0))
    state = method.start(generator(0, "x"))
    each = [
        flops.count(partial(method.step, state, Progress(i, 100 * flops.PATHS), [TRAINED]))
        for i in range(flops.PATHS)
    ]
    assert flops.train_flops(method, state, [[TRAINED]], 100) == round(100 * sum(each) / len(each))
    two = each[:2]  # a training of two iterations draws no more
    assert flops.train_flops(method, state, [[TRAINED]], 2) == sum(two)
    assert len(set(each)) > 5


def test_without_focus_nothing_is_judged_in_training() -> None:
    settings = LooNas.Settings(space=SPACE, count=8, focus=1.0)
    method = LooNas(SPECS, settings)
    assert list(method.selects_at()) == []
    assert len(drawn(method, SPECS[0], range(300, 400))) > 20
    assert list(LooNas(SPECS, replace(settings, focus=0.2, judgements=1)).selects_at()) == [0.2]
