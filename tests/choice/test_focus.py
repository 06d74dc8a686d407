"""LOO-NAS trains the paths that judged best: what each domain keeps, and that nothing else is drawn."""

from collections import Counter
from dataclasses import replace

import pytest
import torch

from baselines.loo_nas import LooNas, halved
from metanas.base.seeding import generator
from metanas.choice.judged import recorded
from metanas.data.episode import TaskSpec
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


def drawn(method: LooNas, spec: TaskSpec, iterations: range) -> Counter[str]:
    rows = LOSSES.repeat(EARLY_TASKS, 1)
    state = method.start(generator(0, "x")) | recorded("a", rows, rows) | recorded("b", -rows, -rows)
    return Counter(str(method._path(state, spec, Progress(i, 400))) for i in iterations)


def test_each_domain_draws_what_it_kept_and_before_that_from_the_space() -> None:
    method = LooNas(SPECS, LooNas.Settings(space=SPACE, count=8, focus=0.5, judgements=2, spread=0.0))
    assert list(method.selects_at()) == [0.5, 0.75]
    names = [str(candidate) for candidate in method.candidates]
    assert len(drawn(method, SPECS[0], range(100, 200))) > 20
    assert set(drawn(method, SPECS[0], range(200, 300))) == {names[i] for i in (1, 5, 3, 7)}
    assert set(drawn(method, SPECS[0], range(300, 400))) == {names[i] for i in (1, 5)}
    assert set(drawn(method, SPECS[1], range(300, 400))) == {names[i] for i in (0, 4)}


def test_without_focus_nothing_is_judged_in_training() -> None:
    settings = LooNas.Settings(space=SPACE, count=8, focus=1.0)
    method = LooNas(SPECS, settings)
    assert list(method.selects_at()) == []
    assert len(drawn(method, SPECS[0], range(300, 400))) > 20
    assert list(LooNas(SPECS, replace(settings, focus=0.2, judgements=1)).selects_at()) == [0.2]
