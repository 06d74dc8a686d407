"""Where meta-training ends: at a total of operations, or when meta-validation brings nothing more."""

import json
from pathlib import Path

import pytest
import torch

from metanas.base.seeding import generator
from metanas.data.datasets import Datasets
from metanas.data.domain import Domain
from metanas.data.episode import Episodes
from metanas.data.meta_batches import MetaBatchSampler
from metanas.engine import config, flops, run, seed_run
from metanas.engine.checkpoint import load
from metanas.engine.config import ConfigError
from metanas.engine.early_stopping import EarlyStop, affordable
from metanas.engine.seed_run import SeedRun
from metanas.engine.trainer import meta_train
from metanas.method import METHODS, Method, Metrics, Progress, State
from metanas.search.discretize import logits_of
from metanas.space.enumeration import at, size
from tests import tiny

TINY = (
    "space.layers=1",
    "space.channels=4",
    "space.ops=[conv3,skip]",
    "suite.shots=[1]",
    "suite.queries=3",
    "suite.train_queries=2",
    "budget.tasks=1",
    "budget.eval_episodes=2",
)


def worked(folder: Path, method: str, *overrides: str) -> SeedRun:
    made = config.resolve(method, "mini-v1", domains=("langid",), seeds=(0,), overrides=(*TINY, *overrides))
    data = Datasets.open(made.suite)
    (cell,) = run.prepare(made, folder, data, controls=False) or [SeedRun(made, folder, data, 0)]
    run.work(cell, lambda what, done: None)
    return cell


def rows(cell: SeedRun) -> list[dict[str, float]]:
    return [json.loads(line) for line in (cell.path / "metrics.jsonl").read_text().splitlines()]


def test_every_method_trains_until_the_same_operations_are_spent(tmp_path: Path) -> None:
    spent = {}
    for name in ("protonet", "reptile", "mamlpp"):
        cell = worked(tmp_path / name, name, "budget.flops=1e7")
        costs = json.loads((cell.path / "costs.json").read_text())
        spent[name], iterations = costs["train_flops"], len(rows(cell))
        assert spent[name] <= 1e7 * 1.001  # the phases' bounds fall between iterations
        assert spent[name] * (iterations + 1) / iterations > 1e7 * 0.999  # one more would have been too many
    assert len({len(rows(SeedRun(cell.config, tmp_path / name, cell.data, 0))) for name in spent}) > 1


@pytest.mark.parametrize("budget", ["budget.flops=2e7", "budget.iterations=3"])
def test_progress_goes_from_iteration_to_iteration_under_either_budget(tmp_path: Path, budget: str) -> None:
    made = config.resolve("protonet", "mini-v1", domains=("langid",), seeds=(0,), overrides=(*TINY, budget))
    (cell,) = run.prepare(made, tmp_path / "run", Datasets.open(made.suite), controls=False)
    told: list[tuple[str, int]] = []
    run.work(cell, lambda doing, done: told.append((doing, done)))
    training = [done for doing, done in told if doing == "meta-training"]
    assert training == sorted(training) and training[-1] == cell.training_steps > 0
    assert len(set(training) - {0}) == min(len(rows(cell)), cell.training_steps)
    assert told[-1] == ("counting operations", cell.steps)


def test_a_budget_below_one_iteration_is_refused() -> None:
    made = config.resolve("protonet", "mini-v1", domains=("langid",), overrides=(*TINY, "budget.flops=10"))
    data = Datasets.open(made.suite)
    sampler = MetaBatchSampler(list(data.values()), made.suite.train_shapes, 1, 0)
    with pytest.raises(ConfigError, match="budget.flops=10 does not pay for one iteration, which takes"):
        run.num_iterations(made, seed_run.build(made, data.values()), sampler)


class Phased(Method):
    """Multiplies matrices of 10 x 10 before half-time and two of them after."""

    trains = True
    transductive = False

    def __init__(self) -> None:
        pass

    def phases(self) -> tuple[float, ...]:
        return (0.5,)

    def step(self, state: State, progress: Progress, batch: list[Episodes]) -> tuple[State, Metrics]:  # type: ignore[override]
        x = torch.ones(10, 10)
        x = x @ x if progress.iteration < progress.total / 2 else x @ x @ x
        return State({"value": state["value"] + 1.0}), {"loss": 1.0}

    def start(self, generator: torch.Generator) -> State:
        return State({"value": torch.zeros(1)})


def test_operations_are_counted_in_every_phase() -> None:
    assert flops.train_flops(Phased(), {"value": torch.zeros(1)}, [[]], 10) == (5 * 1 + 5 * 2) * 2000
    assert affordable(Phased(), {"value": torch.zeros(1)}, [[]], 30_000) == 10


def test_what_a_phase_selects_later_never_costs_more_than_was_planned() -> None:
    """T-NAS trains what its logits select at half time, which may be dearer than what they begin with."""
    overrides = (*TINY, "space.layers=2")
    made = config.resolve("tnas", "mini-v1", domains=("langid",), seeds=(0,), overrides=overrides)
    data = Datasets.open(made.suite)
    method = seed_run.build(made, data.values())
    batches = run.sample_batches(made, run.meta_batches(made, data, 0))
    state = method.start(generator(0, "start"))
    budget = 40 * flops.train_flops(method, state, batches, 1)
    planned = affordable(method, state, batches, budget)
    assert planned < 40, "what it selects at the start is cheaper"
    space, spent = method.settings.space, []
    for number in range(size(space)):
        selected = {f"arch/{name}": t for name, t in logits_of(space, at(space, number)).items()}
        spent.append(flops.train_flops(method, state | selected, batches, planned))
    assert 0.9 * budget < max(spent) <= budget


def test_convolutions_of_tasks_side_by_side_count_as_those_in_turn() -> None:
    method = METHODS["maml"]
    counted = []
    for way in ("vmap", "shared", "loop"):
        settings = config.settings_of(method, {"network": {"kind": "conv4", "width": 4}, "batching": way})
        made = method([tiny.SPEC], settings)
        episodes = tiny.episodes(3)
        support, query = (type(b)(b.x.float(), b.y) for b in (episodes.support, episodes.query))
        batch, state = [Episodes(tiny.SPEC, support, query)], made.start(generator(0, "count"))
        counted.append(flops.count(lambda m=made, s=state, b=batch: m.step(s, Progress(0, 1), b)))  # type: ignore[misc]
    assert max(counted) <= 1.1 * min(counted)


@pytest.fixture
def source() -> MetaBatchSampler:
    domain = Domain.open("langid")
    made = config.resolve("protonet", "mini-v1", domains=("langid",), overrides=TINY)
    return MetaBatchSampler([domain], made.suite.train_shapes, 1, 0)


def test_training_stops_when_patience_ends_and_keeps_the_best(
    source: MetaBatchSampler, tmp_path: Path
) -> None:
    curve = {2.0: 0.5, 4.0: 0.7, 6.0: 0.6, 8.0: 0.65, 10.0: 0.9}
    stop = EarlyStop(every=2, patience=2, accuracy=lambda state: curve[float(state["value"])])
    trained = meta_train(Phased(), source, 20, tmp_path, stop=stop)
    assert (trained.iteration, float(trained.state["value"])) == (8, 4.0)  # 0.9 was never reached
    kept = load(tmp_path / "state.safetensors")
    assert kept is not None and kept.done and float(kept.state["value"]) == 4.0
    again = meta_train(Phased(), source, 20, tmp_path, stop=stop)
    assert again.iteration == 8  # it stays stopped


def test_a_stopped_run_resumed_from_any_checkpoint_is_the_same(
    source: MetaBatchSampler, tmp_path: Path
) -> None:
    curve = {2.0: 0.5, 4.0: 0.7, 6.0: 0.6, 8.0: 0.65}
    stop = EarlyStop(every=2, patience=2, accuracy=lambda state: curve[float(state["value"])])
    for killed in range(1, 8):
        folder = tmp_path / str(killed)

        def die(iteration: int, killed: int = killed) -> None:
            if iteration == killed:
                raise KeyboardInterrupt

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("metanas.engine.trainer.SAVE_EVERY", 0.0)
            with pytest.raises(KeyboardInterrupt):
                meta_train(Phased(), source, 20, folder, stop=stop, on_progress=die)
        trained = meta_train(Phased(), source, 20, folder, stop=stop)
        assert (trained.iteration, float(trained.state["value"])) == (8, 4.0)


def test_early_stopping_asks_for_meta_validation_episodes_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = Domain.episodes

    def watched(self: Domain, split, shape, seed, ids):  # type: ignore[no-untyped-def]
        asked.append(split)
        return real(self, split, shape, seed, ids)

    monkeypatch.setattr(Domain, "episodes", watched)
    test = run.predict_tasks
    monkeypatch.setattr(run, "predict_tasks", lambda *given: (asked.append("now tested"), test(*given)))
    cell = worked(
        tmp_path,
        "protonet",
        "budget.iterations=4",
        "budget.patience=1",
        "budget.check_every=2",
        "budget.check_episodes=2",
    )
    assert set(asked[: asked.index("now tested")]) == {"train", "val"}
    assert [row["iteration"] for row in rows(cell) if "validation" in row] == [2, 4]
