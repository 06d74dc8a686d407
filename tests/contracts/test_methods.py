"""Every registered method, found by itself: labels it cannot see, independence, determinism."""

import inspect
import math
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from metanas.base.errors import InvalidValue
from metanas.base.plugins import PluginError
from metanas.base.seeding import generator
from metanas.data.domain import Domain
from metanas.data.episode import EpisodeShape
from metanas.data.meta_batches import MetaBatchSampler
from metanas.engine.config import known_keys, settings_of
from metanas.engine.flops import count
from metanas.engine.predict import ProtocolError, check_independent, evaluate
from metanas.method import METHODS, Adapted, Method, Progress, State
from metanas.search.discretize import logits_of
from metanas.space.architecture import parse
from metanas.space.sampling import training
from metanas.space.space import SearchSpace

SMALL = {"channels": 16, "layers": 1, "reductions": ()}
SHAPE = EpisodeShape(5, 1, 3)
ITERATIONS = 4


# Where a method has such a setting, the tests take a value that is quick.
QUICK = {"steps": 2, "test_steps": 2, "batching": "vmap", "candidates": 2, "network": {"width": 8}}
DOMAIN = cache(lambda: Domain.open("langid"))


def made(name: str, space: Mapping[str, object] | None = None) -> Method:
    kind = METHODS[name]
    known = {key.partition(".")[0] for key in known_keys(kind.Settings)}
    quick = {key: value for key, value in QUICK.items() if key in known}
    settings = settings_of(kind, {"space": {**SMALL, **(space or {})}, **quick})
    try:
        return kind([DOMAIN().spec(5)], settings)
    except PluginError as error:  # an extra that is not installed
        if os.environ.get("METANAS_REQUIRE_SHARED"):
            raise
        pytest.skip(f"NOT RUN: {error}")


def stepped(method: Method, state: State, iterations: range) -> State:
    for iteration in iterations if method.trains else ():
        batch = MetaBatchSampler([DOMAIN()], lambda name: [SHAPE], 2, 0)[iteration]
        state, _ = method.step(state, Progress(iteration, ITERATIONS), batch)
    return state


@cache
def trained(name: str) -> tuple[Method, State, Domain]:
    """Trained once for all tests; no test changes what it gets."""
    method = made(name)
    return method, stepped(method, method.start(generator(0, "test")), range(ITERATIONS)), DOMAIN()


@pytest.mark.parametrize("name", list(METHODS))
class TestMethod:
    def test_same_seed_same_bytes(self, name: str) -> None:
        (a, first, domain), b = trained(name), made(name)
        second = stepped(b, b.start(generator(0, "test")), range(ITERATIONS))
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)
        answers = [evaluate(m, s, domain, SHAPE, 3).probabilities for m, s in ((a, first), (b, second))]
        assert (answers[0] == answers[1]).all()

    def test_training_changes_the_state(self, name: str) -> None:
        method, state, _ = trained(name)
        fresh = method.start(generator(0, "test"))
        moved = [key for key in fresh if not torch.equal(fresh[key], state[key])]
        assert bool(moved) == method.trains

    def test_resumed_from_a_file_equals_undisturbed(self, name: str, tmp_path: Path) -> None:
        _, undisturbed, _ = trained(name)
        first = made(name)
        half = stepped(first, first.start(generator(0, "test")), range(ITERATIONS // 2))
        save_file({key: t.contiguous() for key, t in half.items()}, tmp_path / "state")
        resumed = stepped(
            made(name), State(load_file(tmp_path / "state")), range(ITERATIONS // 2, ITERATIONS)
        )
        assert resumed.keys() == undisturbed.keys()
        assert all(torch.equal(resumed[key], undisturbed[key]) for key in resumed)

    def test_tasks_do_not_see_each_other(self, name: str) -> None:
        method, state, domain = trained(name)
        tasks = domain.episodes("test", SHAPE, 0, range(3))
        together = method.adapt(state, tasks.spec, tasks.support).predict(tasks.query.x)
        one = tasks.support.tasks(slice(1, 2))
        alone = method.adapt(state, tasks.spec, one).predict(tasks.query.x[1:2])
        torch.testing.assert_close(alone[0], together[1], rtol=1e-4, atol=1e-5)

    def test_queries_alone_and_together_agree(self, name: str) -> None:
        method, state, domain = trained(name)
        tasks = domain.episodes("test", SHAPE, 0, range(2))
        if method.transductive:
            return
        adapted = method.adapt(state, tasks.spec, tasks.support)
        check_independent(adapted, tasks.query.x, adapted.predict(tasks.query.x))

    def test_a_prediction_costs_its_queries_and_nothing_more(self, name: str) -> None:
        """Whatever is computed of the support set is computed once, in `adapt`."""
        method, state, domain = trained(name)
        tasks = domain.episodes("test", SHAPE, 0, range(1))
        adapted = method.adapt(state, tasks.spec, tasks.support)
        x = tasks.query.x.repeat(1, 2, 1)
        one, two, four = (count(lambda n=n: adapted.predict(x[:, :n])) for n in (1, 2, 4))  # type: ignore[misc]
        assert two == 2 * one and four == 4 * one

    def test_under_a_given_architecture_it_answers_or_says_that_it_has_none(self, name: str) -> None:
        method, state, domain = trained(name)
        tasks = domain.episodes("test", SHAPE, 0, range(2))
        space = SearchSpace(**SMALL)
        arch = {key: t.expand(2, *t.shape) for key, t in logits_of(space, parse("attn/relu", space)).items()}
        adapted = method.adapt_with(state, tasks.spec, tasks.support, arch)
        fixed = method.fixed_archs(state, tasks.spec)
        if adapted is None:
            assert not fixed
            return
        probabilities = adapted.predict(tasks.query.x)
        torch.testing.assert_close(probabilities.sum(-1), torch.ones(2, 15))
        for logits in fixed.values():
            assert {key: t.shape for key, t in logits.items()} == {k: t.shape[1:] for k, t in arch.items()}

    def test_there_is_no_way_to_pass_query_labels(self, name: str) -> None:
        assert list(inspect.signature(METHODS[name].adapt).parameters) == ["self", "state", "spec", "support"]


@pytest.mark.parametrize("name", list(METHODS))
@pytest.mark.parametrize("sampling", ["uniform", "posterior"])
def test_every_supernet_trains_on_single_paths_with_logits_per_domain(name: str, sampling: str) -> None:
    given = {"sampling": sampling, "levels": "domain", "stem": "lean", "normed": True}
    if name == "l2l-metasgd":
        with pytest.raises(InvalidValue, match="space.sampling must be mixture"):
            made(name, given)
        return
    method = made(name, given)
    state = method.start(generator(0, "test"))
    batch = MetaBatchSampler([DOMAIN()], lambda name: [SHAPE], 2, 0)[0]
    if method.trains:
        with training(0, 0, state.probabilities):
            state, losses = method.step(state, Progress(0, ITERATIONS), batch)
        assert all(math.isfinite(loss) for loss in losses.values())
    adapted = method.adapt(state, batch[0].spec, batch[0].support)
    assert not any("@" in group for group in adapted.arch or {})  # what is stored is a task's own mixture
    assert bool(torch.isfinite(adapted.predict(batch[0].query.x)).all())


def test_a_method_that_peeks_at_the_other_queries_is_caught() -> None:
    peeking = Adapted(lambda x: (x - x.mean(1, keepdim=True)).softmax(-1))
    x = torch.randn(2, 10, 5, generator=generator(0, "peek"))
    with pytest.raises(ProtocolError, match="declare the method `transductive = True`"):
        check_independent(peeking, x, peeking.predict(x))
