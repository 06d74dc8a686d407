"""The entrant's side of a challenge: answers to episodes that come as inputs, and the commitment."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from metanas.base.errors import DataError
from metanas.data.datasets import Datasets
from metanas.data.domain import Domain
from metanas.data.episode import EpisodeShape
from metanas.data.sampler import sample
from metanas.data.sealed import SealedTask
from metanas.engine import collect, config, run
from metanas.evaluation import result
from metanas.studies import answer_sealed, commitment

SMALL = ("suite.shots=[1]", "suite.queries=3")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of ProtoNet on langid."""
    folder = tmp_path_factory.mktemp("run") / "protonet"
    chosen = config.resolve(
        "protonet", "mini-v1", budget="smoke", domains=("langid",), seeds=(0, 1), overrides=SMALL
    )
    data = Datasets.open(chosen.suite)
    for cell in run.prepare(chosen, folder, data):
        run.work(cell, lambda what, done: None)
    collect.finish(chosen, folder, data)
    return folder


def test_the_pinned_episodes_given_as_inputs_get_the_answers_of_the_run(
    trained: Path, tmp_path: Path
) -> None:
    domain, shape = Domain.open("langid"), EpisodeShape(5, 1, 3)
    pinned = result.read(trained).answers["langid/5w1s"]
    count = pinned.task.episodes
    drawn = sample(domain.tables["test"], 0, shape, np.arange(count))
    x = torch.from_numpy(np.ascontiguousarray(domain.store.examples.x))
    save_file({"langid/5w1s/support": x[drawn.support], "langid/5w1s/query": x[drawn.query]}, tmp_path / "in")
    answer_sealed.predict(
        trained, tmp_path / "in", [SealedTask("langid", shape, count)], tmp_path / "out", None
    )
    rows = result.read_table(tmp_path / "out", result.SCHEMA)
    found = result.answers_of([pinned.task], (0, 1), rows)["langid/5w1s"]
    assert (found.predicted == pinned.predicted).all()
    assert (found.probabilities == pinned.probabilities).all()


def test_episodes_that_do_not_fit_are_named(trained: Path, tmp_path: Path) -> None:
    save_file({"langid/5w1s/support": torch.zeros(1, 5, 24, dtype=torch.int16)}, tmp_path / "in")
    for task, says in (
        (SealedTask("langid", EpisodeShape(5, 1, 3), 2), r"of shape \(1, 5, 24\) .* expected \(2, 5, 24\)"),
        (SealedTask("langid", EpisodeShape(5, 1, 3), 1), "langid/5w1s/query is missing"),
        (SealedTask("digits", EpisodeShape(5, 1, 3), 1), "the run has no domain 'digits'; it has: langid"),
    ):
        with pytest.raises(DataError, match=says):
            answer_sealed.predict(trained, tmp_path / "in", [task], tmp_path / "out", None)


def test_the_commitment_changes_with_weights_settings_and_code_and_with_nothing_else(
    trained: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "method.py").write_text("a = 1")
    before = commitment.commitment(trained, [mine])
    (mine / "notes.txt").write_text("no code")
    (trained / "report.html").write_text("no weights")
    assert commitment.commitment(trained, [mine]) == before
    assert commitment.commitment(trained) != before
    names = commitment.files(trained, [mine])
    assert {
        "run/config.yaml",
        "run/seed0/state.safetensors",
        "mine/method.py",
        "metanas/data/sealed.py",
    } <= set(names)
    assert {"baselines/maml.py", "tasks/langid.py"} <= set(names)
    for path in (mine / "method.py", trained / "config.yaml", trained / "seed1" / "state.safetensors"):
        content = path.read_bytes()
        path.write_bytes(content + b" ")
        assert commitment.commitment(trained, [mine]) != before, path
        path.write_bytes(content)
    assert commitment.commitment(trained, [mine]) == before
    with pytest.raises(ValueError, match="no config.yaml and checkpoints"):
        commitment.commitment(mine)
    with pytest.raises(ValueError, match="have the same name"):
        commitment.commitment(trained, [mine, mine])
