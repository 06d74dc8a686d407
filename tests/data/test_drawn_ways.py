"""Ways drawn for every episode, an option of a suite: pinned, grouped, scored by their own chance."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from metanas.base.errors import InvalidValue
from metanas.base.plugins import PluginError
from metanas.base.seeding import generator
from metanas.cli.app import app
from metanas.data import manifest
from metanas.data.datasets import Datasets
from metanas.data.domain import Domain
from metanas.data.episode import EVALUATION_SEED, Episodes, EpisodeShape, TaskSpec, one_of_each
from metanas.data.meta_batches import MetaBatchSampler
from metanas.data.sampler import ClassTable, alike, digest, digest_of, query_labels, sample, ways_of
from metanas.data.suite import Suite, load_suite
from metanas.engine import collect, config, run
from metanas.engine.config import settings_of
from metanas.engine.predict import evaluate, right_answers
from metanas.evaluation import result
from metanas.evaluation import transfer as scored
from metanas.evaluation.result import Answers, ResultError, Task
from metanas.evaluation.scores import score_task
from metanas.meta.inner import ParamGroups
from metanas.meta.loss import TaskLoss
from metanas.meta.maml import meta_gradient
from metanas.meta.optimizers import sgd
from metanas.method import METHODS, Progress
from metanas.models.build import build
from metanas.params import detach, tree_map
from metanas.space.network_config import NetworkConfig
from metanas.space.space import SearchSpace
from metanas.studies import transfer
from metanas.testing import devices

SHAPE = EpisodeShape(7, 2, 2, fewest_ways=3)  # 14 queries
LABELS = np.arange(300) // 30
IDS = np.arange(60)


def table(*, imbalanced: bool = False, groups: bool = False) -> ClassTable:
    made = ClassTable.build("toy", "test", LABELS, np.arange(10), np.arange(300) % 15 if groups else None)
    return ClassTable(
        made.domain, made.split, made.rows, made.starts, made.groups, disjoint=groups, imbalanced=imbalanced
    )


def suite(**changes: object) -> Suite:
    given = {"domains": ("langid",), "ways": 5, "fewest_ways": 3, "queries": 2, "shots": (2,), **changes}
    return load_suite("mini-v1").model_copy(update=given)


def test_ways_are_uniform_and_of_each_episode_alone() -> None:
    ways = ways_of("toy", "test", 0, SHAPE, np.arange(5000))
    assert np.bincount(ways).tolist()[:3] == [0, 0, 0] and len(np.bincount(ways)) == 8
    assert np.bincount(ways)[3:].min() > 900
    assert np.array_equal(ways_of("toy", "test", 0, SHAPE, np.array([7, 3])), ways[[7, 3]])
    assert (ways_of("toy", "test", 0, EpisodeShape(5, 1, 1), IDS) == 5).all()


@pytest.mark.parametrize("imbalanced", [False, True])
@pytest.mark.parametrize("groups", [False, True])
def test_an_episode_has_its_ways_and_all_have_as_many_queries(imbalanced: bool, groups: bool) -> None:
    parts = alike("toy", "test", 0, SHAPE, IDS)
    assert sorted(np.concatenate(parts).tolist()) == IDS.tolist() and len(parts) == 5
    labels = query_labels("toy", "test", 0, SHAPE, IDS)
    for ids in parts:
        (ways,) = set(ways_of("toy", "test", 0, SHAPE, ids).tolist())
        drawn = sample(table(imbalanced=imbalanced, groups=groups), 0, SHAPE, ids)
        assert drawn.query.shape == (len(ids), 14) and drawn.support.shape == (len(ids), 2 * ways)
        assert np.array_equal(drawn.query_y, labels[ids])
        for support, support_y, query, query_y in zip(*drawn, strict=True):
            assert len(set(support) | set(query)) == len(support) + len(query)
            classes = dict(zip(support_y, LABELS[support], strict=True))
            assert len(set(classes.values())) == ways
            assert [classes[y] for y in query_y] == LABELS[query].tolist()
            assert np.ptp(np.bincount(query_y, minlength=ways)) <= 1
            if groups:
                assert not set(support % 15) & set(query % 15)
    alone = sample(table(imbalanced=imbalanced, groups=groups), 0, SHAPE, parts[1][2:3])
    assert np.array_equal(
        alone.query[0], sample(table(imbalanced=imbalanced, groups=groups), 0, SHAPE, parts[1]).query[2]
    )


def test_several_ways_do_not_lie_side_by_side() -> None:
    with pytest.raises(InvalidValue, match="toy: tasks of 3 and 7 ways cannot lie side by side"):
        sample(table(), 0, SHAPE, IDS)
    with pytest.raises(InvalidValue, match="fewest_ways must be from 2 to ways - 1, got 5 of 5"):
        EpisodeShape(5, 1, 1, fewest_ways=5)
    with pytest.raises(InvalidValue, match="30 examples, too few for 2 shots [+] 31 queries"):
        table().check(EpisodeShape(7, 2, 13, fewest_ways=3))


def test_they_are_pinned_like_other_episodes() -> None:
    fixed = EpisodeShape(5, 2, 2)
    assert digest_of(table(), 0, fixed, IDS) == digest(sample(table(), 0, fixed, IDS))
    assert digest_of(table(), 0, SHAPE, IDS) == digest_of(table(), 0, SHAPE, IDS)
    assert len({digest_of(table(), 0, SHAPE, IDS[:n]) for n in (10, 20, 60)}) == 3
    domain, drawn = Domain.open("langid"), suite()
    entry = manifest.describe(domain, drawn.model_copy(update={"episodes": 20, "budgets": {}}))
    assert list(entry["test"]) == ["3-5w2s2q"]
    assert manifest._queries("3-5w2s2q") == 10 and manifest._queries("5w1s15q") == 75


def test_it_is_an_option_of_a_suite_that_changes_its_name() -> None:
    plain = load_suite("mini-v1")
    assert "fewest_ways" not in plain.model_dump() and suite().model_dump()["fewest_ways"] == 3
    assert suite(ways=plain.ways, queries=plain.queries, shots=plain.shots).label == "mini-v1 (changed)"
    assert [str(s) for s in suite().shapes("langid")] == ["3-5w2s2q"]
    assert list(suite().all_ways("langid")) == [3, 4, 5] and list(plain.all_ways("langid")) == [5]
    with pytest.raises(ValueError, match="fewest_ways must be less than ways, which is 5, got 5"):
        Suite.model_validate(plain.model_dump() | {"fewest_ways": 5})


def test_a_training_batch_has_one_number_of_ways_and_they_change() -> None:
    data = Datasets.open(suite(), pinned=False)
    sampler = MetaBatchSampler(data.trained(), suite().train_shapes, 2, 0)
    ways = [sampler[i][0].spec.ways for i in range(12)]
    assert set(ways) == {3, 4, 5}
    batch = sampler[0][0]
    assert batch.support.x.shape[1] == 2 * ways[0] and batch.classes is not None
    assert batch.classes.shape == (2, ways[0])


def specs(domain: Domain) -> list[TaskSpec]:
    return [domain.spec(ways) for ways in SHAPE.possible_ways if ways <= 5]


def test_a_grouped_step_is_the_mean_of_single_task_steps() -> None:
    """In float64: tasks of equal ways beside each other, as they are trained and adapted."""
    domain = Domain.open("langid")
    shape = EpisodeShape(5, 2, 2, fewest_ways=3)
    net = build(NetworkConfig("conv4", width=4), SearchSpace(), specs(domain)).double()
    params = tree_map(lambda t: t.double(), net.init(generator(0, "net")))
    for ids in alike("langid", "train", 0, shape, np.arange(9)):
        tasks = domain.episodes("train", shape, 0, ids.tolist())
        gradients = [gradient(net, params, tasks)]
        gradients += [gradient(net, params, tasks.tasks([i])) for i in range(len(ids))]
        for name, g in gradients[0].items():
            mean = torch.stack([single[name] for single in gradients[1:]]).mean(0)
            torch.testing.assert_close(g, mean, rtol=1e-9, atol=1e-12)
        head = f"weights/heads.ways{tasks.spec.ways}x"
        assert any(name.startswith(head) and g.abs().max() > 0 for name, g in gradients[0].items())


def gradient(net: object, params: object, tasks: Episodes) -> Mapping[str, torch.Tensor]:
    loss, policy = TaskLoss(net, tasks.spec, batching="vmap"), ParamGroups(sgd(0.3), None)  # type: ignore[arg-type]
    return meta_gradient(loss, detach(params), tasks, policy=policy, order=2, steps=[1.0])[0]  # type: ignore[arg-type]


def test_answers_of_grouped_episodes_are_those_of_each_alone() -> None:
    domain, kind = Domain.open("langid"), METHODS["maml"]
    shape = EpisodeShape(5, 2, 2, fewest_ways=3)
    given = {"network": {"kind": "conv4", "width": 4}, "steps": 2, "test_steps": 2}
    method = kind(specs(domain), settings_of(kind, given))
    state = method.start(generator(0, "x"))
    together = evaluate(method, state, domain, shape, 23).probabilities
    labels = query_labels("langid", "test", EVALUATION_SEED, shape, np.arange(23))
    assert together.shape == (23, 10, 5)
    for episode, ways in enumerate(ways_of("langid", "test", EVALUATION_SEED, shape, np.arange(23))):
        tasks = domain.episodes("test", shape, EVALUATION_SEED, [episode])
        assert tasks.spec.ways == ways and np.array_equal(tasks.query.y[0], labels[episode])
        alone = method.adapt(state, tasks.spec, tasks.support).predict(tasks.query.x)[0]
        np.testing.assert_allclose(together[episode, :, :ways], alone.detach(), atol=1e-5)
        assert (together[episode, :, ways:] == 0).all()
    right = right_answers(method, state, domain, "test", shape, EVALUATION_SEED, 23)
    assert right.tolist() == (together.argmax(-1) == labels).sum(1).tolist()


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_runs_on_them(name: str) -> None:
    domain, kind = Domain.open("langid"), METHODS[name]
    quick = {"space": devices.SMALL, "network": {"width": 4}, **devices.QUICK}
    try:
        method = kind(specs(domain), settings_of(kind, devices.over(kind, quick, {})))
    except PluginError as error:
        pytest.skip(f"NOT RUN: {error}")
    state = method.start(generator(0, "x"))
    sampler = MetaBatchSampler([domain], suite(imbalanced=True).train_shapes, 2, 0)
    for i in (0, 1) if method.trains else ():
        state, _ = method.step(state, Progress(i, 2), sampler[i])
    found = evaluate(method, state, domain, EpisodeShape(5, 2, 1, fewest_ways=3), 4)
    np.testing.assert_allclose(found.probabilities.sum(-1), 1, atol=1e-3)


def test_methods_keep_one_spec_a_domain() -> None:
    a, b, c = (TaskSpec(name, "image", (1, 8, 8), ways) for name, ways in (("a", 3), ("b", 4), ("a", 5)))
    assert one_of_each([a, b, c]) == (c, b) and one_of_each([b, a]) == (b, a)


def about(**changes: object) -> Task:
    fields = {"domain": "toy", "ways": 7, "fewest_ways": 3, "shots": 2, "queries": 2, "episodes": 60}
    hashes = {"manifest": "a" * 64, "fingerprint": "b" * 64, "sample": False, "synthetic": False}
    return Task.model_validate({**fields, **hashes, **changes})


def test_an_episode_is_scored_by_its_own_chance() -> None:
    task = about()
    assert task.name == "toy/3-7w2s" and task.shape == SHAPE
    ways = ways_of("toy", "test", EVALUATION_SEED, SHAPE, IDS)
    assert task.chance == pytest.approx((1 / ways).mean())
    labels = query_labels("toy", "test", EVALUATION_SEED, SHAPE, IDS)
    even = (np.arange(7) < ways[:, None]) / ways[:, None]
    sure = np.broadcast_to(even[:, None], (60, 14, 7))[None].astype(np.float32)
    first = Answers(task, np.zeros((1, 60, 14), np.int64), sure, labels)
    scores = score_task(first)
    each = (scores.accuracy[0] - 1 / ways) / (1 - 1 / ways)
    np.testing.assert_allclose(scores.chance_normalised[0], each)
    np.testing.assert_allclose(scores.log_loss[0], np.log(ways), atol=1e-3)
    perfect = score_task(Answers(task, labels[None], np.eye(7)[labels][None].astype(np.float32), labels))
    assert perfect.macro_f1.min() == 1 and perfect.chance_normalised.min() == 1
    fixed = about(ways=5, fewest_ways=None)
    assert fixed.chance == 1 / 5 and "fewest_ways" not in fixed.model_dump()
    with pytest.raises(ValueError, match="fewest_ways must be less than ways, which is 7"):
        about(fewest_ways=7)


def test_a_class_that_an_episode_does_not_have_is_no_answer() -> None:
    ways = about().ways_each
    few = int(np.flatnonzero(ways < 7)[0])
    for place in (few, int(np.flatnonzero(ways == 7)[0])):
        probabilities = np.zeros((60, 14, 7))
        probabilities[..., 0] = 1
        probabilities[place] = np.eye(7)[6]
        rows = result.table("toy/3-7w2s", 0, 0, probabilities)
        if place != few:
            result.answers_of([about()], (0,), rows)
            continue
        with pytest.raises(ResultError, match="an answer is a class that its episode does not have"):
            result.answers_of([about()], (0,), rows)


def test_run_compare_and_transfer_work_with_them(tmp_path: Path) -> None:
    given = ("ways=5", "fewest_ways=3", "queries=2", "shots=[2]", "imbalanced=true")
    small = ("budget.eval_episodes=6", "space.layers=1", "space.channels=4")
    changes = [*(f"suite.{one}" for one in given), *small]
    for name in ("protonet", "maml"):
        made = config.resolve(
            name, "mini-v1", budget="smoke", domains=["langid"], seeds=[0], overrides=changes
        )
        data = Datasets.open(made.suite)
        for seed_run in run.prepare(made, tmp_path / name, data):
            run.work(seed_run, lambda doing, done: None)
        collect.finish(made, tmp_path / name, data)
    found = result.read(tmp_path / "maml")
    assert list(found.answers) == ["langid/3-5w2s"]
    assert found.submission.suite == "mini-v1 (changed)"
    done = CliRunner().invoke(app, ["compare", f"{tmp_path}/protonet", f"{tmp_path}/maml"])
    assert done.exit_code == 0 and "langid 3-5w2s" in done.output
    pieces = transfer.plan(made, ["langid"], ["langid"], ("both", "neither"), tmp_path / "study", None)
    for piece in pieces:
        transfer.work(piece, lambda doing, done: None)
    transfer.finish(pieces, [])
    (cell,) = scored.read(tmp_path / "study").cells
    assert (cell.train, cell.test) == ("langid", "langid")
