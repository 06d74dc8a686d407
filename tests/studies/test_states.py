"""Trained states: packed from a run, loaded without its data, and the same answers to the byte."""

import dataclasses
import json
from pathlib import Path

import pytest

import metanas
from metanas.base.errors import DamagedFile, DataError, InvalidValue
from metanas.data.episode import EpisodeShape
from metanas.engine.predict import evaluate
from metanas.method import METHODS
from metanas.studies import state_cards, states

OPTIONS = {
    "suite.queries": 3,
    "suite.shots": [1],
    "budget.iterations": 2,
    "budget.tasks": 1,
    "budget.eval_episodes": 4,
    "space.channels": 8,
    "space.layers": 1,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> metanas.Run:
    out = tmp_path_factory.mktemp("states") / "maml"
    return metanas.run(
        "maml", domains=["langid", "digits"], seeds=[3], settings=OPTIONS, out=out, controls=False
    )


@pytest.fixture
def packed(run: metanas.Run, tmp_path: Path) -> Path:
    return states.pack(run, 3, tmp_path / "state")


def test_a_loaded_state_gives_the_runs_answers_to_the_byte(run: metanas.Run, packed: Path) -> None:
    card = json.loads(packed.read_text())
    learner = metanas.load("maml", seed=3, folder=packed.parent)
    for name in ("langid", "digits"):
        found = evaluate(learner.method, learner.state, run.data[name], EpisodeShape(5, 1, 3), 4)
        task = run.result.answers[f"{name}/5w1s"]
        mine = dataclasses.replace(task, probabilities=found.probabilities[None])
        assert states.answers_digest(mine, 0) == card["answers_sha256"][f"{name}/5w1s"]
        assert card["accuracy"][f"{name}/5w1s"] == pytest.approx(task.accuracy.mean(), abs=1e-4)


def test_a_loaded_state_adapts_to_tasks(run: metanas.Run, packed: Path) -> None:
    learner = metanas.load("maml", seed=3, folder=packed.parent)
    task = run.data["langid"].tasks("meta-test", ways=5, shots=2, queries=4)[0]
    assert learner.adapt(task.support).predict(task.query).shape == (1, 20, 5)


def test_what_cannot_be_packed_or_loaded_says_why(run: metanas.Run, packed: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="has no seed 7; it has: 3"):
        states.pack(run, 7, tmp_path)
    with pytest.raises(InvalidValue, match="no trained state mini-v1/nobody/0; there are: "):
        metanas.load("nobody")
    with pytest.raises(InvalidValue, match=r"has no seed0.json; make it by `metanas state pack RUN`"):
        metanas.load("maml", folder=packed.parent)
    good = packed.read_text()
    packed.write_text(good.replace('"input_shape"', '"shape"'))
    with pytest.raises(DamagedFile, match="specs: 'input_shape'"):
        metanas.load("maml", seed=3, folder=packed.parent)
    packed.write_text(good)
    state = packed.with_suffix(".safetensors")
    state.write_bytes(state.read_bytes()[:-1])
    with pytest.raises(DamagedFile, match="not the state that its card describes"):
        metanas.load("maml", seed=3, folder=packed.parent)
    (run.folder / "seed3" / "state.safetensors").rename(tmp_path / "away")
    try:
        with pytest.raises(DataError, match="no checkpoint of seed 3"):
            states.pack(run, 3, tmp_path)
    finally:
        (tmp_path / "away").rename(run.folder / "seed3" / "state.safetensors")


@pytest.mark.parametrize("name", state_cards.names())
def test_the_states_of_the_package_load(name: str) -> None:
    suite, method, seed = name.split("/")
    learner = metanas.load(method, suite, int(seed))
    assert isinstance(learner.method, METHODS[method])
    assert state_cards.summary(name).startswith(f"{method} on {suite}")
