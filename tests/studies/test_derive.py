"""The network that is exported answers as the method does, also where its head comes in closed form."""

from pathlib import Path

import pytest
import torch

from baselines.protonet import ProtoNet
from metanas.data.datasets import Datasets
from metanas.data.episode import EVALUATION_SEED
from metanas.engine import collect, config, run
from metanas.engine.trainer import TrainError
from metanas.method import METHODS
from metanas.studies.derive import derived

SMALL = ("space.layers=1", "space.channels=8", "space.ops=[conv3,skip]")


def trained(method: str, folder: Path, *settings: str) -> Path:
    given = (*SMALL, *settings)
    made = config.resolve(method, "mini-v1", budget="smoke", domains=("langid",), seeds=(0,), overrides=given)
    data = Datasets.open(made.suite)
    (seed_run,) = run.prepare(made, folder, data, controls=False)
    run.work(seed_run, lambda what, done: None)
    collect.finish(made, folder, data)
    return folder


@pytest.mark.parametrize("method", ["protonet", "r2d2", "loo-nas", "maml", "reptile"])
def test_it_is_right_on_the_queries_on_which_the_method_is_under_this_architecture(
    method: str, tmp_path: Path
) -> None:
    folder = trained(method, tmp_path / "run")
    net, x = derived(folder, "langid", seed=0, episode=1, root=None)
    logits = net(x)
    assert logits.abs().max() > 0.01
    tasks = Datasets.open(config.of_run(folder).suite)["langid"].episodes(
        "test", config.of_run(folder).suite.shapes("langid")[-1], EVALUATION_SEED, [1]
    )
    assert (logits.argmax(-1) == tasks.query.y[0]).double().mean() > 0.25  # chance is 0.2


@pytest.mark.parametrize(
    ("setting", "words"),
    [("space.partial=2", "space.partial=2: networks whose"), ("space.nodes=2", "keeps two inputs of a node")],
)
def test_networks_that_reduce_to_another_are_refused(setting: str, words: str, tmp_path: Path) -> None:
    folder = trained("protonet", tmp_path / "run", setting, "space.ops=[conv3,conv5]")
    with pytest.raises(TrainError, match=words):
        derived(folder, "langid", seed=0, episode=1, root=None)


def test_what_no_network_can_answer_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TrainError, match="matchingnet adapts to no weights with which a network"):
        derived(trained("matchingnet", tmp_path / "matching"), "langid", seed=0, episode=0, root=None)
    linear = ProtoNet.linear

    def wrong(self: ProtoNet, *given: object) -> object:
        weights = linear(self, *given)  # type: ignore[arg-type]
        return {name: torch.zeros_like(t) if "heads" in name else t for name, t in (weights or {}).items()}

    monkeypatch.setattr(METHODS["protonet"], "linear", wrong)
    with pytest.raises(TrainError, match="would not answer as protonet does; .* differ by up to 0"):
        derived(trained("protonet", tmp_path / "proto"), "langid", seed=0, episode=0, root=None)
