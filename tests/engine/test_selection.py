"""`Method.select`: on pinned meta-validation tasks, once, after training, and the same when a run goes on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

import metanas
from metanas.data.domain import Domain
from metanas.data.episode import SELECTION_SEED, VALIDATION_SEED, Batch, Episodes, EpisodeShape, TaskSpec
from metanas.data.meta_batches import MetaBatchSampler
from metanas.engine import flops
from metanas.engine.checkpoint import load
from metanas.engine.trainer import meta_train
from metanas.engine.validation import EARLY_TASKS, SELECTION_TASKS, selection
from metanas.method import Adapted, Method, Metrics, Progress, State


class Counting(Method):
    """Counts iterations, and the examples it selects on."""

    transductive = False
    trains = True

    @dataclass(frozen=True)
    class Settings:
        """None."""

    def __init__(self, specs: Sequence[TaskSpec] = (), settings: object = None) -> None:
        self.seen: list[Episodes] = []

    def start(self, generator: torch.Generator) -> State:
        return State({"weights/x": torch.zeros(())})

    def step(self, state: State, progress: Progress, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        return state | {"weights/x": state["weights/x"] + 1}, {}

    def select(self, state: State, tasks: Sequence[Episodes]) -> State:
        self.seen += tasks
        return state | {"chosen": state["weights/x"] * 10}

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        raise NotImplementedError


SAMPLER = MetaBatchSampler([], lambda name: [], 1, 0)
DOMAIN = Domain.open("langid")
TASKS = [(DOMAIN, EpisodeShape(5, shots, 15)) for shots in (1, 5)]


def test_it_gets_labelled_validation_tasks_of_the_most_shots() -> None:
    method = Counting()
    select = selection(method, TASKS)
    assert select is not None
    assert select(State({"weights/x": torch.ones(())}))["chosen"] == 10
    (episodes,) = method.seen
    assert episodes.support.y.shape == (SELECTION_TASKS, 25) == episodes.query.y.shape
    pinned = DOMAIN.episodes("val", EpisodeShape(5, 5, 5), SELECTION_SEED, range(SELECTION_TASKS))
    assert torch.equal(episodes.support.x, pinned.support.x)
    scored = DOMAIN.episodes("val", EpisodeShape(5, 5, 5), VALIDATION_SEED, range(SELECTION_TASKS))
    assert not torch.equal(episodes.support.x, scored.support.x)


def test_it_follows_training_once(tmp_path: Path) -> None:
    method = Counting()
    select = selection(method, TASKS)
    half = meta_train(method, SAMPLER, 3, tmp_path, select=None)
    assert "chosen" not in half.state
    for _ in range(2):  # the second call finds all done
        done = meta_train(method, SAMPLER, 6, tmp_path, select=select)
        assert (float(done.state["weights/x"]), float(done.state["chosen"])) == (6, 60)
    assert len(method.seen) == 1
    kept = load(tmp_path / "state.safetensors")
    assert kept is not None and kept.selected and float(kept.state["chosen"]) == 60


class Early(Counting):
    """Adds what it chose last to every later iteration."""

    def selects_at(self) -> Sequence[float]:
        return (0.25, 0.7)

    def step(self, state: State, progress: Progress, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        return state | {"weights/x": state["weights/x"] + 1 + state.get("chosen", torch.zeros(()))}, {}


@pytest.mark.parametrize("stops", [[], [2], [3, 5], [1, 2, 3, 4, 5]])
def test_it_also_selects_during_training_wherever_a_run_was_interrupted(
    tmp_path: Path, stops: list[int]
) -> None:
    method = Early()
    select = selection(method, TASKS)
    for end in stops:  # of 6 iterations; the choices are before the third (of 1.5: 2) and the sixth (4.2: 5)

        def die(done: int, end: int = end) -> None:
            if done == end:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            meta_train(method, SAMPLER, 6, tmp_path, select=select, on_progress=die)
    done = meta_train(method, SAMPLER, 6, tmp_path, select=select)
    assert float(done.state["weights/x"]) == (2 + 3 * 21) + 651  # 1 + 10 * 2 from the third, 1 + 650 at last
    counts = [len(episodes.support.y) for episodes in method.seen]
    assert counts[-1] == SELECTION_TASKS and set(counts[:-1]) == {EARLY_TASKS}


def test_methods_that_select_nothing_and_domains_without_validation_classes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Plain(Counting):
        select = Method.select

    assert selection(Plain(), TASKS) is None
    without = Domain.open("langid")
    monkeypatch.delitem(without.tables, "val")
    assert selection(Counting(), [(without, EpisodeShape(5, 1, 15))]) is None


def test_its_operations_follow_from_choosing_on_two_and_three_tasks() -> None:
    """The learned choice costs the same for every task, so a count on few of them is exact."""
    learner = metanas.load("loo-nas", "mini-v1", seed=0)
    select = selection(learner.method, TASKS)
    assert select is not None
    found = flops.select_flops(select, learner.state, (2, 3, 4))
    assert found == [flops.count(lambda n=n: select(learner.state, n)) for n in (2, 3, 4)]
    assert found[0] > 0
