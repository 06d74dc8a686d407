"""Support sets whose classes differ in size, an option of a suite: the rest of a task stays as it is."""

from pathlib import Path

import numpy as np
import pytest
import torch

from metanas.base import philox
from metanas.base.errors import InvalidValue
from metanas.data import manifest
from metanas.data.datasets import Datasets
from metanas.data.domain import Domain
from metanas.data.episode import EpisodeShape
from metanas.data.episode_page import write
from metanas.data.sampler import SPREAD, ClassTable, most_shots, query_labels, sample, support_sizes
from metanas.data.suite import DomainOptions, load_suite
from metanas.method import METHODS

SHAPES = [EpisodeShape(ways, shots, 3) for ways in (2, 5, 20) for shots in (1, 2, 5, 10)]
LABELS = np.arange(300) // 30


def table(*, imbalanced: bool, groups: bool = False) -> ClassTable:
    made = ClassTable.build("toy", "test", LABELS, np.arange(10), np.arange(300) % 15 if groups else None)
    return ClassTable(
        made.domain, made.split, made.rows, made.starts, made.groups, disjoint=groups, imbalanced=imbalanced
    )


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sizes_add_up_and_stay_within_their_bounds(shape: EpisodeShape) -> None:
    sizes = support_sizes(shape, philox.words(3, np.arange(2000), shape.ways))
    assert (sizes.sum(1) == shape.ways * shape.shots).all()
    assert sizes.min() >= min(2, shape.shots) and sizes.max() <= most_shots(shape)
    if shape.shots >= 5:
        assert (sizes.max(1) > sizes.min(1)).mean() > 0.5
        assert (sizes.max(1) / sizes.min(1)).max() < SPREAD


@pytest.mark.parametrize("groups", [False, True])
def test_a_task_has_the_classes_and_query_labels_of_the_balanced_one(groups: bool) -> None:
    shape, ids = EpisodeShape(5, 3, 4), np.arange(40)
    even, odd = (sample(table(imbalanced=i, groups=groups), 0, shape, ids) for i in (False, True))
    assert odd.support.shape == even.support.shape and odd.query.shape == even.query.shape
    assert np.array_equal(odd.query_y, query_labels("toy", "test", 0, shape, ids))
    assert np.array_equal(odd.query_y, even.query_y)
    assert any(len(set(np.bincount(y))) > 1 for y in odd.support_y)
    for task in range(len(ids)):
        assert not set(odd.support[task]) & set(odd.query[task])
        assert len(set(odd.support[task])) == 15
        classes = dict(zip(even.support_y[task], LABELS[even.support[task]], strict=True))
        for rows, labels in ((odd.support, odd.support_y), (odd.query, odd.query_y)):
            assert [classes[y] for y in labels[task]] == LABELS[rows[task]].tolist()
        if groups:
            assert not set(odd.support[task] % 15) & set(odd.query[task] % 15)


def test_one_shot_tasks_stay_what_they_are() -> None:
    shape = EpisodeShape(5, 1, 3)
    even, odd = (sample(table(imbalanced=i), 0, shape, np.arange(9)) for i in (False, True))
    assert all(np.array_equal(a, b) for a, b in zip(even, odd, strict=True))


def test_a_class_must_hold_what_it_can_be_asked_for() -> None:
    shape = EpisodeShape(5, 10, 15)
    table(imbalanced=False).check(shape)
    with pytest.raises(InvalidValue, match="30 examples, too few for up to 22 shots [+] 15 queries"):
        table(imbalanced=True).check(shape)
    assert not table(imbalanced=True).holds(shape)


def test_it_is_an_option_of_a_suite_that_changes_hashes_and_name() -> None:
    suite = load_suite("mini-v1")
    odd = suite.model_copy(update={"imbalanced": True})
    assert odd.label == "mini-v1 (changed)" and odd.of("langid") == DomainOptions(imbalanced=True)
    assert "imbalanced" not in suite.model_dump() and odd.model_dump()["imbalanced"]
    even, other = Domain.open("langid"), Domain.open("langid", None, odd.of("langid"))
    five, one = EpisodeShape(5, 5, 15), EpisodeShape(5, 1, 15)
    assert manifest.episodes_hash(even, five, 9) != manifest.episodes_hash(other, five, 9)
    assert manifest.episodes_hash(even, one, 9) == manifest.episodes_hash(other, one, 9)
    train = other.episodes("train", EpisodeShape(5, 5, 2), 0, range(3))
    assert train.classes is not None and all(len(set(c)) == 5 for c in train.classes.tolist())
    opened = Datasets.open(odd.model_copy(update={"domains": ("langid",)}), pinned=False)
    assert opened["langid"].tables["val"].imbalanced


@pytest.mark.parametrize("name", ["protonet", "matchingnet", "r2d2", "maml", "darts", "loo-nas"])
def test_methods_adapt_to_them(name: str) -> None:
    from metanas.base.seeding import generator
    from metanas.engine.config import settings_of

    domain, kind = Domain.open("langid", None, DomainOptions(imbalanced=True)), METHODS[name]
    method = kind([domain.spec(5)], settings_of(kind, {"space": {"layers": 1, "channels": 4}}))
    state = method.start(generator(0, "test"))
    tasks = domain.episodes("test", EpisodeShape(5, 5, 1), 0, range(2))
    together = method.adapt(state, tasks.spec, tasks.support).predict(tasks.query.x)
    alone = method.adapt(state, tasks.spec, tasks.support.tasks([1])).predict(tasks.query.x[1:])
    assert together.shape == (2, 5, 5)
    torch.testing.assert_close(together[1], alone[0], atol=1e-4, rtol=1e-3)


def test_its_page_shows_every_class(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    text = (Path(__file__).parents[2] / "tasks/suites/mini-v1.yaml").read_text()
    file.write_text(text.replace("name: mini-v1", "name: own-v1") + "imbalanced: true\n")
    write("langid", tmp_path / "p.html", suite=str(file), split="test", episode=0, shots=5, root=None)
    assert (tmp_path / "p.html").stat().st_size > 1000
