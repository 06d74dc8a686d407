"""Controls on a planted method: where its architecture matters they say so, where not they say exactly 0."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from metanas.data.datasets import Datasets
from metanas.data.episode import Batch, TaskSpec
from metanas.engine import config as configs
from metanas.engine import flops
from metanas.engine.collect import task_of
from metanas.engine.controls import Asked, score_controls
from metanas.engine.predict import predict_tasks
from metanas.engine.seed_run import SeedRun, task_name
from metanas.evaluation import choices, controls, result
from metanas.method import Adapted, Method, State
from metanas.params import Tensors
from metanas.search.discretize import logits_of
from metanas.space import decoding
from metanas.space.architecture import parse
from metanas.space.space import SearchSpace

SETTINGS = ["space.layers=1", "space.reductions=[]", "suite.shots=[5]", "budget.eval_episodes=30"]
RIGHT = {"digits": "conv3/relu", "langid": "attn/relu"}  # on the others it answers at chance


class Planted(Method):
    """Nearest class mean of simple features under the right op of a domain, one class for all under others.

    adapts: the adapted architecture by domain; it is the same for all tasks of a domain. soft: as a mixture
    in which it is the strongest. Counts how often it is asked under a given architecture.
    """

    transductive = False

    def __init__(self, space: SearchSpace, adapts: Mapping[str, str], *, soft: bool = False) -> None:
        self.space, self.adapts, self.soft, self.asked = space, adapts, soft, 0

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        hard = logits_of(self.space, parse(self.adapts[spec.name], self.space))
        arch = {name: t.expand(len(support.y), *t.shape) for name, t in hard.items()}
        answered = self._adapted(spec, support, arch)
        return Adapted(answered.predict, {name: t / 4e3 for name, t in arch.items()} if self.soft else arch)

    def adapt_with(self, state: State, spec: TaskSpec, support: Batch, arch: Tensors) -> Adapted:
        self.asked += len(support.y)
        return self._adapted(spec, support, arch)

    def fixed_archs(self, state: State, spec: TaskSpec) -> dict[str, Tensors]:
        return {"shared": logits_of(self.space, parse(RIGHT["digits"], self.space))}

    def _adapted(self, spec: TaskSpec, support: Batch, arch: Tensors) -> Adapted:
        right = logits_of(self.space, parse(RIGHT[spec.name], self.space))["node"]
        knows = (arch["node"] == right).flatten(1).all(1)

        def predict(x: Tensor) -> Tensor:
            means = torch.stack(
                [features(spec, support.x)[:, 5 * w : 5 * w + 5].mean(1) for w in range(5)], 1
            )
            logits = -torch.cdist(features(spec, x), means)
            constant = torch.eye(5)[0].expand_as(logits)
            return torch.where(knows[:, None, None], logits.softmax(-1), constant)

        return Adapted(predict)


def features(spec: TaskSpec, x: Tensor) -> Tensor:
    if spec.modality == "image":
        return x.flatten(2)
    return torch.nn.functional.one_hot(x.long(), spec.vocabulary).float().mean(2).sqrt()


def scored(folder: Path, method: Planted, settings: Any = SETTINGS) -> dict[str, Mapping[str, np.ndarray]]:
    """The controls of a planted method, read back, with its own answers as control "answers"."""
    made = configs.resolve(
        "maml", "mini-v1", budget="smoke", domains=("digits", "langid"), seeds=(0,), overrides=settings
    )
    data = Datasets.open(made.suite, None)
    seed_run = SeedRun(made, folder, data, 0)
    seed_run.path.mkdir(parents=True)
    tasks = data.tasks()
    predict_tasks(seed_run, method, State({}), tasks, lambda doing, done: None)
    score_controls(seed_run, method, State({}), tasks, lambda doing, done: None)
    controls.join(folder, [seed_run.path], [task_name(*task) for task in tasks])
    found = controls.read(folder, [task_of(made, *task) for task in tasks], (0,))
    own = {}
    for domain, shape in tasks:
        name = task_name(domain, shape)
        rows = result.read_table(seed_run.path / f"{name.replace('/', '-')}.parquet", result.SCHEMA)
        labels = domain.episodes("test", shape, 0, range(30)).query.y.numpy()
        predicted = rows.column("prediction").to_numpy().reshape(labels.shape)
        own[name] = (predicted == labels).mean(1)[None]
    return {**found, "answers": own}


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return SearchSpace(layers=1, reductions=())


def test_where_the_architecture_matters_the_controls_are_worse(tmp_path: Path, space: SearchSpace) -> None:
    method = Planted(space, RIGHT)
    found = scored(tmp_path, method)
    assert found.keys() == {"decoded", "shared", "random", "swap", "answers"}
    for task, own in found["answers"].items():
        assert (found["decoded"][task] == own).all()
        assert own.mean() > 0.3 and (found["swap"][task] == 0.2).all()
        same = found["random"][task] == own
        assert 0 < same.sum() < 15  # one of eight architectures drawn is the right one
    assert (found["shared"]["digits/5w5s"] == found["answers"]["digits/5w5s"]).all()
    assert (found["shared"]["langid/5w5s"] == 0.2).all()


def test_where_it_does_not_the_difference_is_exactly_0_and_nothing_is_asked(
    tmp_path: Path, space: SearchSpace
) -> None:
    method = Planted(space, dict.fromkeys(RIGHT, RIGHT["digits"]))
    found = scored(tmp_path, method)
    for control in ("decoded", "shared", "swap"):
        for task, own in found["answers"].items():
            assert (found[control][task] == own).all()
    assert method.asked <= 2 + 60  # the first question of each task, and the random architectures


def test_what_is_kept_as_a_tie_is_decoded_alike_by_the_controls(tmp_path: Path, space: SearchSpace) -> None:
    """After one iteration candidates differ by 1e-9, which float32 does not hold."""
    asked = object.__new__(Asked)
    asked.space = space
    logits = {
        name: 1e-9 * torch.arange(t.numel(), dtype=torch.float64).view(t.shape).flip(-1).roll(1, -1)
        for name, t in logits_of(space, parse("conv3/relu", space)).items()
    }
    choices.keep(tmp_path, "a/5w1s", 0, {name: t[None] for name, t in logits.items()})
    kept = decoding.decode(space, choices.of_task(tmp_path, "a/5w1s"))
    fixed = asked._decoded(logits)
    assert all(np.array_equal(kept[name], fixed[name]) for name in kept)


def test_a_mixture_is_decoded_once_and_differences_are_between_discrete_ones(
    tmp_path: Path, space: SearchSpace
) -> None:
    method = Planted(space, dict.fromkeys(RIGHT, "attn/relu"), soft=True)
    found = scored(tmp_path, method)
    assert (found["decoded"]["langid/5w5s"] == found["answers"]["langid/5w5s"]).all()
    assert (found["decoded"]["digits/5w5s"] == 0.2).all()
    assert (found["swap"]["digits/5w5s"] == found["decoded"]["digits/5w5s"]).all()


def test_a_method_without_adapt_with_and_a_run_without_controls_have_none(
    tmp_path: Path, space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = Planted(space, RIGHT)
    monkeypatch.setattr(method, "adapt_with", lambda state, spec, support, arch: None)
    assert scored(tmp_path / "a", method).keys() == {"answers"}
    assert not (tmp_path / "a" / controls.CONTROLS).exists()
    seed_run = SimpleNamespace(controls=False, path=tmp_path, config=SimpleNamespace(settings={"space": {}}))
    score_controls(cast(SeedRun, seed_run), method, State({}), [], lambda doing, done: None)


def test_what_is_done_is_not_asked_again(tmp_path: Path, space: SearchSpace) -> None:
    method = Planted(space, RIGHT)
    scored(tmp_path, method)
    made = configs.resolve(
        "maml", "mini-v1", budget="smoke", domains=("digits", "langid"), seeds=(0,), overrides=SETTINGS
    )
    data, asked = Datasets.open(made.suite, None), method.asked
    score_controls(
        SeedRun(made, tmp_path, data, 0), method, State({}), data.tasks(), lambda doing, done: None
    )
    assert method.asked == asked


def test_adaptation_is_counted_without_controls(space: SearchSpace) -> None:
    made = configs.resolve("maml", "mini-v1", budget="smoke", domains=("digits",), overrides=SETTINGS)
    data = Datasets.open(made.suite, None)
    method = Planted(space, RIGHT)
    flops.answer_flops(method, State({}), data.tasks())
    assert method.asked == 0
