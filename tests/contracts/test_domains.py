"""Every registered domain keeps the rules of `metanas.testing`, and is what its suite was pinned on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metanas.base.errors import DataError
from metanas.data import manifest
from metanas.data.adapter import DOMAINS
from metanas.data.domain import Domain
from metanas.data.episode import Episodes, EpisodeShape, Split
from metanas.data.suite import DomainOptions, Suite, load_suite, names
from metanas.testing.check import bound
from metanas.testing.domains import RULES as ALL
from metanas.testing.domains import DomainSubject, reads_the_same_twice, try_shape

EMBEDDED = tuple(d for suite in ("mini-v1", "planted-v1", "series-v1") for d in load_suite(suite).domains)
RULES = [rule for rule in ALL if rule is not reads_the_same_twice]
SUITE_OF = {name: load_suite(suite) for suite in names() for name in load_suite(suite).domains}


@pytest.fixture(params=list(DOMAINS))
def domain(request: pytest.FixtureRequest) -> Domain:
    """The domain as its suite has it."""
    name: str = request.param
    root = None if name in EMBEDDED else request.getfixturevalue("shared")
    return Domain.open(name, root, suite_of(name).of(name))


def suite_of(name: str) -> Suite:
    return SUITE_OF[name]


def test_every_domain_is_in_a_suite_and_says_where_it_comes_from() -> None:
    assert set(SUITE_OF) == set(DOMAINS)
    for name in DOMAINS:
        adapter = DOMAINS[name]
        assert adapter.recipe.startswith("v")
        assert bool(adapter.remotes) == (name not in EMBEDDED)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_domain(domain: Domain, rule: Callable[[DomainSubject], None]) -> None:
    subject = DomainSubject(domain.name, opened=domain, asked=suite_of(domain.name).shapes(domain.name))
    (check,) = bound([rule], subject)
    check()


def test_digits_are_read_the_same_twice() -> None:  # the others take seconds to minutes
    reads_the_same_twice(DomainSubject("digits"))


def test_classes_and_examples_hold_what_the_suite_asks_for(domain: Domain) -> None:
    suite = suite_of(domain.name)
    for shape in suite.shapes(domain.name):
        assert domain.tables["test"].holds(shape)
    for shape in suite.train_shapes(domain.name):
        assert not domain.trains or domain.tables["train"].holds(shape)
        if "val" in domain.tables:
            assert domain.tables["val"].holds(shape)
    classes = len(domain.store.examples.splits["test"])
    assert domain.trains or classes == suite.ways_of(domain.name)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ways=st.integers(2, 40), shots=st.integers(1, 60), queries=st.integers(1, 60), data=st.data())
def test_any_shape_that_fits_works_and_any_other_says_why(
    domain: Domain, ways: int, shots: int, queries: int, data: st.DataObject
) -> None:
    split: Split = data.draw(st.sampled_from(sorted(domain.tables)))
    try_shape(domain, split, EpisodeShape(ways, shots, queries))


def test_words_come_from_the_training_classes_alone(domain: Domain) -> None:
    if domain.modality != "text" or domain.store.examples.words is None:
        wordless = domain.name == "langid" or domain.name.startswith("planted-")
        assert domain.modality != "text" or wordless or not domain.trains
        return
    from metanas.data.words import words_of
    from tasks.modality.text import LEAST

    texts, train = domain.store.extra["text"], set(domain.tables["train"].rows.tolist())
    if all(len(text) < 1000 for text in texts):  # pages keep the first 1,000 characters
        counted: dict[str, int] = {}
        for row in train:
            for word in words_of(texts[row]):
                counted[word] = counted.get(word, 0) + 1
        assert set(domain.store.extra["vocabulary"]) == {w for w, n in counted.items() if n >= LEAST}
    assert int(np.asarray(domain.store.examples.words).max()) < domain.store.words + 2


def test_the_data_is_what_the_suite_was_pinned_on(domain: Domain) -> None:
    suite = suite_of(domain.name)
    manifest.check(domain, suite)
    kind = "sample" if domain.store.examples.sample else "full"
    pinned = dict(manifest.read(suite.name)[domain.name][kind])
    assert pinned.pop("version", suite.version) == suite.version  # older manifests have none
    assert pinned == manifest.describe(domain, suite)


def test_augmentation_is_for_meta_training_only_and_deterministic(shared: Path) -> None:
    plain, masked = (Domain.open("fsdd", shared, DomainOptions(augment=augment)) for augment in (False, True))
    shape = EpisodeShape(5, 2, 3)

    def both(split: Split, ids: list[int]) -> tuple[Episodes, Episodes]:
        return plain.episodes(split, shape, 0, ids), masked.episodes(split, shape, 0, ids)

    a, b = both("test", [0, 1])
    assert torch.equal(torch.nan_to_num(a.query.x), torch.nan_to_num(b.query.x))
    a, b = both("train", [0, 1])
    changed = (torch.nan_to_num(a.query.x) != torch.nan_to_num(b.query.x)).float().mean()
    assert 0.1 < float(changed) < 0.6
    assert torch.equal(torch.isnan(a.query.x), torch.isnan(b.query.x)), "padding stays padding"
    _, again = both("train", [1, 0])
    assert torch.equal(torch.nan_to_num(again.query.x[1]), torch.nan_to_num(b.query.x[0]))
    with pytest.raises(ValueError, match="augment is of speech and images, and this is text"):
        Domain.open("langid", None, DomainOptions(augment=True))


def test_words_where_there_are_none_say_what_to_do(shared: Path) -> None:
    with pytest.raises(ValueError, match="sst2 has no words.*use tokens: bytes"):
        Domain.open("sst2", shared, DomainOptions(tokens="words"))
    with pytest.raises(ValueError, match="set tokens: words as well"):
        Domain.open("clinc150", shared, DomainOptions(vectors=Path("x.vec")))


def test_spoken_words_has_eight_voices_and_says_that_it_is_synthetic() -> None:
    domain = Domain.open("spoken-words")
    voices = [set(table.groups.tolist()) for table in domain.tables.values() if table.groups is not None]
    assert domain.synthetic
    assert len(set.union(*voices)) >= 8


def test_spoken_words_are_the_same_in_any_order() -> None:
    from tasks.spoken_words import spoken

    asked = [
        (w, v, 175, 35) for w in ("apple", "bridge", "candle") for v in ("adam", "shelby", "klatt6", "Denis")
    ]
    once = {a: spoken(*a).tobytes() for a in asked}
    again = {a: spoken(*a).tobytes() for a in reversed(asked)}
    assert once == again


def test_langid_names_belong_to_one_language_only() -> None:
    names = [name.casefold() for name in Domain.open("langid").store.extra["text"]]
    assert len(set(names)) == len(names)


def test_other_data_is_an_error_with_both_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    domain, suite = Domain.open("digits"), load_suite("mini-v1")
    pinned = domain.store.fingerprint
    monkeypatch.setattr(
        domain, "store", type(domain.store)("digits", Path(), domain.store.examples, "ab" * 32)
    )
    with pytest.raises(DataError, match=f"fingerprint {'ab' * 32}, mini-v1 was pinned on {pinned}"):
        manifest.check(domain, suite)


def test_the_table_in_the_docs_is_made_from_the_manifests() -> None:
    text = Path(__file__).parents[2].joinpath("docs/domains.md").read_text(encoding="utf-8")
    assert text == manifest.page(names()), "run: metanas data table --out docs/domains.md"
    for name in DOMAINS:
        assert f"| {name} " in text
