"""Queries that stand word for word in their support set or in the meta-train split: counted, and left out."""

import json
from pathlib import Path

import numpy as np
import pytest

from metanas.base.errors import InvalidValue
from metanas.data import duplicates, manifest
from metanas.data.adapter import Examples
from metanas.data.domain import Domain
from metanas.data.episode import EpisodeShape
from metanas.data.sampler import Indices, sample
from metanas.data.store import open_store
from metanas.data.suite import DomainOptions, load_suite


def examples(contents: list[int], labels: list[int]) -> Examples:
    """Two classes a split: 0 and 1 of meta-train, 2 and 3 of meta-test; each example one number."""
    x = np.array(contents, np.int16)[:, None]
    splits = {"train": ("a", "b"), "test": ("c", "d")}
    return Examples(x, np.array(labels, np.int64), ("a", "b", "c", "d"), splits, "", vocabulary=257)


def test_contents_are_equal_where_all_bytes_are() -> None:
    x = np.array([[1, 2], [1, 2], [2, 1], [np.nan, 1], [np.nan, 1]], np.float16)
    assert duplicates.contents(x).tolist() == [0, 0, 1, 2, 2]


def test_counts_are_those_of_a_loop_over_all_pairs() -> None:
    domain, shape = Domain.open("planted-when"), EpisodeShape(5, 5, 15)
    drawn = sample(domain.tables["test"], 0, shape, np.arange(40))
    x, train = np.asarray(domain.store.examples.x), domain.tables["train"].rows
    seen = {x[row].tobytes() for row in train}
    pairs = [
        [x[q].tobytes() in {x[s].tobytes() for s in support} for q in query]
        for support, query in zip(drawn.support, drawn.query, strict=True)
    ]
    expected = {
        "episodes": sum(map(any, pairs)),
        "queries": sum(map(sum, pairs)),
        "train": sum(x[q].tobytes() in seen for q in drawn.query.ravel()),
    }
    assert manifest.repeats(domain, shape, 40) == expected
    assert expected["queries"] > expected["episodes"] > 0


def test_queries_of_the_meta_train_split_are_counted_beside_those_of_the_support_set() -> None:
    content = np.array([5, 5, 6, 7])
    drawn = Indices(*(np.array([rows]) for rows in ([0], [0], [1, 2, 3], [0, 0, 0])))
    assert duplicates.count(drawn, content, np.array([2])) == {"episodes": 1, "queries": 1, "train": 1}


def test_the_first_of_each_content_stays_and_none_of_meta_train() -> None:
    given = examples([1, 1, 2, 3, 1, 4, 4, 5, 4], [0, 0, 0, 1, 2, 2, 2, 3, 3])
    assert duplicates.of_examples(given, duplicates.contents(given.x)) == {
        "examples": 5,
        "twice": 2,
        "train": 1,
    }
    kept = np.flatnonzero(duplicates.distinct("own", given, duplicates.contents(given.x))).tolist()
    assert kept == [0, 2, 3, 5, 7]
    gone = examples([1, 3, 1, 5], [0, 1, 2, 3])
    with pytest.raises(InvalidValue, match="own: distinct leaves no example of class 'c' of test"):
        duplicates.distinct("own", gone, duplicates.contents(gone.x))


def test_a_distinct_domain_has_no_repeated_query_and_leaves_the_others_alone() -> None:
    plain, distinct = (Domain.open("langid", options=DomainOptions(distinct=d)) for d in (False, True))
    shape = EpisodeShape(5, 5, 15)
    assert manifest.repeats(plain, shape, 200)["train"] == 7
    assert manifest.repeats(distinct, shape, 200) == {"episodes": 0, "queries": 0, "train": 0}
    repeated = duplicates.of_examples(plain.store.examples, plain.contents)
    left_out = len(plain.tables["test"].rows) - len(distinct.tables["test"].rows)
    assert 0 < left_out <= repeated["twice"] + repeated["train"]
    assert distinct.fingerprint == plain.fingerprint


def test_other_options_are_a_changed_suite_that_keeps_its_data_but_not_its_episodes() -> None:
    suite = load_suite("mini-v1")
    distinct = suite.model_copy(update={"options": {"langid": DomainOptions(distinct=True)}})
    assert distinct.label == "mini-v1 (changed)"
    domain = Domain.open("langid", options=distinct.of("langid"))
    manifest.check(domain, distinct)
    shape = distinct.shapes("langid")[0]
    assert (
        manifest.episodes_hash(domain, shape, 200)
        != manifest.read("mini-v1")["langid"]["full"]["test"][str(shape)]
    )


def test_the_issue_s_figures_stand_in_manifest_and_table() -> None:
    for name, episodes, share in (("trec-fine", 102, "0.28"), ("reuters", 122, "0.27")):
        entry = manifest.read("core-v1")[name]["full"]
        assert entry["repeats"]["5w5s15q"]["episodes"] == episodes
        words = manifest.pinned_repeats("core-v1", name, entry["fingerprint"])["5w5s15q"]
        assert words == f"{episodes} of 600 episodes ({share} % of queries)"
        assert f"5w5s15q {words} |" in manifest.page(["core-v1"])
    assert manifest.pinned_repeats("core-v1", "reuters", "0" * 64) == {}


def test_a_store_knows_its_repeated_test_examples() -> None:
    about = json.loads((open_store("langid").path / "about.json").read_text(encoding="utf-8"))
    assert about["repeats"] == {"examples": 4699, "twice": 1, "train": 2}
    assert duplicates.examples_shown(about["repeats"]) == (
        "1 of 4,699 test examples twice, 2 of 4,699 test examples in meta-train"
    )


def test_repeats_of_a_sample_of_the_full_set_are_its_own(shared: Path) -> None:
    domain, suite = Domain.open("reuters", shared), load_suite("core-v1")
    assert manifest.describe(domain, suite)["repeats"]["5w1s15q"] == {
        "episodes": 17,
        "queries": 17,
        "train": 0,
    }
