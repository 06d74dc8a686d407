"""What a method must be: blind to query labels, resumable, deterministic, with tasks and queries apart."""

import inspect
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from metanas.base.errors import InvalidValue
from metanas.base.seeding import generator
from metanas.data.domain import Domain
from metanas.data.episode import Episodes, EpisodeShape, TaskSpec
from metanas.data.meta_batches import MetaBatchSampler
from metanas.data.roots import DataRoot
from metanas.engine.checkpoint import Trained, check_fits, load, save_checkpoint
from metanas.engine.config import known_keys, settings_of
from metanas.engine.flops import count
from metanas.engine.predict import check_independent, checked
from metanas.method import METHODS, Method, Progress, State
from metanas.search.discretize import logits_of
from metanas.space.architecture import parse
from metanas.space.sampling import training
from metanas.space.space import SearchSpace
from metanas.testing import devices
from metanas.testing.check import NotApplicable, fail, require
from metanas.testing.inputs import SPECS

SMALL = {"channels": 16, "layers": 1, "reductions": ()}
QUICK = {"steps": 2, "test_steps": 2, "batching": "vmap", "candidates": 2, "network": {"width": 8}}
ITERATIONS = 4
DOMAINS = ("langid", "digits", "spoken-words")  # with the package: no download


@dataclass(frozen=True)
class MethodSubject:
    """A method under test, on the tasks of one domain.

    domain: its name; empty: the first of DOMAINS whose inputs the method takes. root: where its data lies.
    given: settings, over quick ones for those that a method has (one layer of few channels, two steps).
    """

    name: str
    domain: str = ""
    root: DataRoot = None
    given: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def tasks_of(self) -> Domain:
        """The domain. InvalidValue if the method takes none of DOMAINS."""
        reason = None
        for name in (self.domain,) if self.domain else DOMAINS:
            domain = Domain.open(name, self.root)
            try:
                self._made(domain.spec(ways_of(domain)), {})
            except InvalidValue as error:
                reason = error
            else:
                return domain
        assert reason is not None
        raise reason

    @property
    def shape(self) -> EpisodeShape:
        """Of the tasks: five ways, or as many as the domain has classes."""
        return EpisodeShape(ways_of(self.tasks_of), 1, 3)

    def made(self, space: Mapping[str, object] | None = None) -> Method:
        """The method anew. space: settings of its space. InvalidValue if it refuses them."""
        return self._made(self.tasks_of.spec(self.shape.ways), space or {})

    def _made(self, spec: TaskSpec, space: Mapping[str, object]) -> Method:
        kind = METHODS[self.name]
        quick = {**QUICK, "space": {**SMALL, **space}}
        method: Method = kind([spec], settings_of(kind, devices.over(kind, quick, self.given)))
        return method

    @property
    def has_space(self) -> bool:
        """Whether its settings have a search space."""
        return any(key.startswith("space.") for key in known_keys(METHODS[self.name].Settings))

    def batch(self, iteration: int) -> list[Episodes]:
        """The meta-batch of an iteration: two tasks."""
        shape = self.shape
        return MetaBatchSampler([self.tasks_of], lambda name: [shape], 2, 0)[iteration]

    def stepped(self, method: Method, state: State, iterations: range) -> State:
        """The state after these iterations of meta-training, if the method trains and the domain can."""
        for iteration in iterations if method.trains and self.tasks_of.trains else ():
            state, _ = method.step(state, Progress(iteration, ITERATIONS), self.batch(iteration))
        return state

    @cached_property
    def trained(self) -> tuple[Method, State]:
        """Trained once for all rules; none changes what it gets."""
        method = self.made()
        return method, self.stepped(method, method.start(generator(0, "test")), range(ITERATIONS))

    def episodes(self, tasks: int) -> Episodes:
        """So many of the test tasks."""
        return self.tasks_of.episodes("test", self.shape, 0, range(tasks))


def ways_of(domain: Domain) -> int:
    """Five, or as many as each split of the domain has classes."""
    return min(5, *(len(table.sizes) for table in domain.tables.values()))


def answers_with_probabilities(subject: MethodSubject) -> None:
    """It answers every query of a task with finite class probabilities (T, Q, ways) that sum to 1."""
    (method, state), tasks = subject.trained, subject.episodes(2)
    probabilities = method.adapt(state, tasks.spec, tasks.support).predict(tasks.query.x)
    checked(probabilities, tasks.query, tasks.spec.ways)


def same_seed_same_bytes(subject: MethodSubject) -> None:
    """The same seed gives the same state and the same answers, byte for byte."""
    (a, first), b = subject.trained, subject.made()
    second = subject.stepped(b, b.start(generator(0, "test")), range(ITERATIONS))
    _same(first, second, "another run of the same seed")
    tasks = subject.episodes(3)
    answers = [
        m.adapt(s, tasks.spec, tasks.support).predict(tasks.query.x) for m, s in ((a, first), (b, second))
    ]
    require(torch.equal(*answers), "another run of the same seed answers otherwise")


def training_changes_the_state(subject: MethodSubject) -> None:
    """Meta-training changes the state, unless the method says that it does not train."""
    method, state = subject.trained
    if not subject.tasks_of.trains:
        raise NotApplicable(f"{subject.tasks_of.name} has no meta-train classes")
    fresh = method.start(generator(0, "test"))
    moved = [key for key in fresh if not torch.equal(fresh[key], state[key])]
    require(bool(moved) == method.trains, f"trains is {method.trains}, and {len(moved)} tensors have changed")


def resumed_from_a_file_equals_undisturbed(subject: MethodSubject) -> None:
    """Meta-training that goes on from a checkpoint ends with the same bytes as without a break."""
    _, undisturbed = subject.trained
    first = subject.made()
    half = subject.stepped(first, first.start(generator(0, "test")), range(ITERATIONS // 2))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.safetensors"
        save_checkpoint(path, Trained(half, ITERATIONS // 2, 0.0))
        loaded = load(path)
    assert loaded is not None
    check_fits(loaded.state, State(first.start(generator(0, "test"))), path)
    resumed = subject.stepped(subject.made(), loaded.state, range(ITERATIONS // 2, ITERATIONS))
    _same(undisturbed, resumed, "the resumed run")


def tasks_do_not_see_each_other(subject: MethodSubject) -> None:
    """A task is answered the same alone and beside other tasks."""
    (method, state), tasks = subject.trained, subject.episodes(3)
    together = method.adapt(state, tasks.spec, tasks.support).predict(tasks.query.x)
    one = tasks.support.tasks(slice(1, 2))
    alone = method.adapt(state, tasks.spec, one).predict(tasks.query.x[1:2])
    _close(alone[0], together[1], "a task alone", 1e-4, 1e-5)


def queries_alone_and_together_agree(subject: MethodSubject) -> None:
    """A query is answered the same alone and beside others, unless the method is declared transductive."""
    (method, state), tasks = subject.trained, subject.episodes(2)
    if method.transductive:
        raise NotApplicable("it is transductive")
    adapted = method.adapt(state, tasks.spec, tasks.support)
    check_independent(adapted, tasks.query.x, adapted.predict(tasks.query.x))


def a_prediction_costs_its_queries_and_nothing_more(subject: MethodSubject) -> None:
    """What is computed of the support set is computed once, in `adapt`: twice the queries cost twice."""
    (method, state), tasks = subject.trained, subject.episodes(1)
    adapted = method.adapt(state, tasks.spec, tasks.support)
    x = torch.cat([tasks.query.x] * 2, 1)
    one, two, four = (count(lambda n=n: adapted.predict(x[:, :n])) for n in (1, 2, 4))  # type: ignore[misc]
    require(two == 2 * one and four == 4 * one, f"1, 2 and 4 queries cost {one}, {two} and {four} FLOP")


def under_a_given_architecture_it_answers(subject: MethodSubject) -> None:
    """Under a given architecture it answers, or says that it has no architecture of its own."""
    if not subject.has_space:
        raise NotApplicable("its settings have no search space")
    (method, state), tasks = subject.trained, subject.episodes(2)
    space = SearchSpace(**SMALL)  # type: ignore[arg-type]
    arch = {key: t.expand(2, *t.shape) for key, t in logits_of(space, parse("attn/relu", space)).items()}
    adapted = method.adapt_with(state, tasks.spec, tasks.support, arch)
    fixed = method.fixed_archs(state, tasks.spec)
    candidates = method.candidate_archs(state, tasks.spec)
    if adapted is None:
        require(not fixed, "adapt_with returns None, so fixed_archs must be empty")
        require(not candidates, "adapt_with returns None, so candidate_archs must be empty")
        return
    sums = adapted.predict(tasks.query.x).sum(-1)
    _close(sums, torch.ones_like(sums), "sums of probabilities", 1e-5, 1e-5)
    shapes = {key: t.shape[1:] for key, t in arch.items()}
    for name, logits in fixed.items():
        require({k: t.shape for k, t in logits.items()} == shapes, f"fixed_archs: {name} has other shapes")
    for logits in candidates:
        require({k: t.shape for k, t in logits.items()} == shapes, "candidate_archs: one has other shapes")


def single_paths(subject: MethodSubject) -> None:
    """It trains on single paths of the supernet with logits for each domain, or refuses them."""
    if not subject.has_space:
        raise NotApplicable("its settings have no search space")
    for sampling in ("uniform", "posterior"):
        given = {"sampling": sampling, "levels": "domain", "stem": "lean", "normed": True}
        try:
            method = subject.made(given)
        except InvalidValue as error:
            raise NotApplicable(f"it refuses space.sampling={sampling}: {error}") from error
        state, batch = method.start(generator(0, "test")), subject.episodes(2)
        if method.trains and subject.tasks_of.trains:
            with training(0, 0, state.probabilities):
                state, losses = method.step(state, Progress(0, ITERATIONS), subject.batch(0))
            require(all(math.isfinite(loss) for loss in losses.values()), f"{sampling}: losses {losses}")
        adapted = method.adapt(state, batch.spec, batch.support)
        own = [group for group in adapted.arch or {} if "@" in group]
        require(not own, f"{sampling}: adapted.arch holds {own}; it is a task's own mixture")
        finite = adapted.predict(batch.query.x).isfinite().all()
        require(finite, f"{sampling}: the answers are not finite")


def there_is_no_way_to_pass_query_labels(subject: MethodSubject) -> None:
    """`adapt` takes a support set and nothing of the queries."""
    got = list(inspect.signature(METHODS[subject.name].adapt).parameters)
    expected = ["self", "state", "spec", "support"]
    require(got == expected, f"adapt takes {', '.join(got)}; it must take {', '.join(expected)}")


def runs_on_another_device(subject: MethodSubject) -> None:
    """It trains and adapts where its inputs are: no tensor is made on the CPU by itself."""
    spec = next(spec for spec in SPECS if spec.modality == subject.tasks_of.modality)
    devices.run_elsewhere(devices.made(subject.name, [spec], given=subject.given), [spec])


RULES = (
    answers_with_probabilities,
    same_seed_same_bytes,
    training_changes_the_state,
    resumed_from_a_file_equals_undisturbed,
    tasks_do_not_see_each_other,
    queries_alone_and_together_agree,
    a_prediction_costs_its_queries_and_nothing_more,
    under_a_given_architecture_it_answers,
    single_paths,
    there_is_no_way_to_pass_query_labels,
    runs_on_another_device,
)


def _same(expected: State, actual: State, what: str) -> None:
    require(expected.keys() == actual.keys(), f"{what} has other tensors")
    wrong = [key for key in expected if not torch.equal(expected[key], actual[key])]
    if wrong:
        fail(f"{what} differs in {len(wrong)} of {len(expected)} tensors, first {wrong[0]}")


def _close(actual: Tensor, expected: Tensor, what: str, rtol: float, atol: float) -> None:
    torch.testing.assert_close(actual, expected, rtol=rtol, atol=atol, msg=lambda text: f"{what}: {text}")
