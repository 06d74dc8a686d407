from pathlib import Path
from typing import Any

import pytest

from metanas.base.errors import InvalidValue
from metanas.data.datasets import Datasets
from metanas.data.domain import Domain
from metanas.data.episode import EpisodeShape
from metanas.data.suite import DomainOptions, Suite, load_suite, names
from metanas.engine.collect import finish
from metanas.engine.config import ConfigError, resolve
from metanas.engine.run import prepare, work
from metanas.evaluation import result


def mixed() -> Suite:
    """mini-v1 with one domain of other ways and fewer queries."""
    options = {"langid": DomainOptions(ways=2, queries=4)}
    return load_suite("mini-v1").model_copy(update={"options": options, "shots": (1, 5)})


def test_a_domain_may_have_its_own_ways_and_queries() -> None:
    suite = mixed()
    assert suite.shapes("langid") == [EpisodeShape(2, 1, 4), EpisodeShape(2, 5, 4)]
    assert suite.shapes("digits") == [EpisodeShape(5, 1, 15), EpisodeShape(5, 5, 15)]
    assert suite.train_shapes("langid")[0].ways == 2


@pytest.mark.parametrize("name", names())
def test_options_are_for_domains_of_the_suite(name: str) -> None:
    suite = load_suite(name)
    assert set(suite.options) <= set(suite.domains)


def test_setting_one_option_keeps_the_others() -> None:
    words = ["suite.options.langid.ways=3", "suite.options.langid.queries=7"]
    suite = resolve("scratch", "mini-v1", overrides=words).suite
    assert suite.of("langid") == DomainOptions(ways=3, queries=7)
    assert suite.of("digits") == DomainOptions()


@pytest.mark.parametrize(
    ("change", "label"),
    [
        ({}, "mini-v1"),
        ({"domains": ("digits",), "shots": (1,), "seeds": (7,)}, "mini-v1"),
        ({"ways": 4}, "mini-v1 (changed)"),
        ({"queries": 3}, "mini-v1 (changed)"),
        ({"train_ways": 8}, "mini-v1 (changed)"),
        ({"train_queries": 1}, "mini-v1 (changed)"),
        ({"shots": (1, 2)}, "mini-v1 (changed)"),
        ({"episodes": 10}, "mini-v1 (changed)"),
        ({"validation": ("langid",)}, "mini-v1 (changed)"),
        ({"version": "9"}, "mini-v1 (changed)"),
        ({"options": {"langid": DomainOptions(tokens="words")}}, "mini-v1 (changed)"),
        ({"name": "my-suite", "ways": 4}, "my-suite"),
    ],
)
def test_nothing_that_is_not_pinned_is_called_by_the_suites_name(
    change: dict[str, object], label: str
) -> None:
    assert load_suite("mini-v1").model_copy(update=change).label == label


def test_a_result_of_a_changed_suite_says_so(tmp_path: Path) -> None:
    config = resolve(
        "chance", "mini-v1", budget="smoke", domains=("digits",), seeds=(0,), overrides=["suite.ways=4"]
    )
    data = Datasets.open(config.suite, None)
    for seed_run in prepare(config, tmp_path, data):
        work(seed_run, lambda doing, done: None)
    finish(config, tmp_path, data)
    assert result.read(tmp_path).submission.suite == "mini-v1 (changed)"


def test_domains_for_validation_alone_are_neither_trained_on_nor_tested() -> None:
    made = resolve("protonet", "mini-v1", overrides=["suite.validation=[langid]"]).suite
    data = Datasets.open(made)
    assert {domain.name for domain, _ in data.tasks()} == {"digits", "spoken-words"}
    assert {domain.name for domain in data.trained()} == {"digits", "spoken-words"}
    assert [(domain.name, shape.shots) for domain, shape in data.validation_tasks()] == [
        ("langid", 1),
        ("langid", 5),
    ]
    plain = Datasets.open(load_suite("mini-v1"))
    assert plain.validation_tasks() == plain.tasks() and len(plain.trained()) == 3


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        ("[x]", "validation: 'x' is not among digits, langid, spoken-words"),
        ("[digits,langid,spoken-words]", "validation: no domain is left for training and tests"),
    ],
)
def test_validation_domains_are_some_of_the_suites(validation: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve("protonet", "mini-v1", overrides=[f"suite.validation={validation}"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ways": "2"}, "ways must be a whole number, got '2'"),
        ({"shots": 1.5}, "shots must be a whole number, got 1.5"),
        ({"queries": None}, "queries must be a whole number, got None"),
        ({"size": "9"}, "size must be a positive whole number, got '9'"),
    ],
)
def test_numbers_of_a_task_are_whole(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        Domain.open("digits").tasks("meta-test", **change)
