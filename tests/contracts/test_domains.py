"""Every registered domain, found by itself: splits, labels, determinism, what leaves the gate."""

import itertools
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
from metanas.data.sampler import sample
from metanas.data.suite import DomainOptions, Suite, load_suite, names

EMBEDDED = tuple(d for suite in ("mini-v1", "planted-v1", "series-v1") for d in load_suite(suite).domains)
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
        assert adapter.licence and adapter.citation and adapter.recipe.startswith("v")
        assert bool(adapter.remotes) == (name not in EMBEDDED)
        for remote in adapter.remotes:
            assert remote.url.startswith("https://")
            assert remote.digest == "" or len(remote.digest) in (len("sha256:") + 64, len("md5:") + 32)


def test_splits_are_disjoint_and_every_class_has_examples(domain: Domain) -> None:
    splits = domain.store.examples.splits
    classes = [name for names in splits.values() for name in names]
    assert len(set(classes)) == len(classes)
    assert "test" in splits
    suite = suite_of(domain.name)
    for shape in suite.shapes(domain.name):
        assert domain.tables["test"].holds(shape)
    for shape in suite.train_shapes(domain.name):
        assert not domain.trains or domain.tables["train"].holds(shape)
        if "val" in domain.tables:
            assert domain.tables["val"].holds(shape)
    assert domain.trains or len(splits["test"]) == suite.ways_of(domain.name)


def test_no_example_is_in_two_splits(domain: Domain) -> None:
    rows = np.concatenate([table.rows for table in domain.tables.values()])
    assert len(set(rows.tolist())) == len(rows)
    labels = np.asarray(domain.store.examples.labels)
    assert labels.min() >= 0 and labels.max() < len(domain.store.examples.classes)


def test_no_speaker_is_in_two_splits(domain: Domain) -> None:
    if domain.modality != "speech":
        return  # Omniglot's drawers drew all characters; its published split is by character
    speakers = [set(table.groups.tolist()) for table in domain.tables.values() if table.groups is not None]
    assert len(speakers) == len(domain.tables)
    assert not any(a & b for a, b in itertools.combinations(speakers, 2))


def test_episodes_are_what_an_episode_is(domain: Domain) -> None:
    labels = np.asarray(domain.store.examples.labels)
    for shape in suite_of(domain.name).shapes(domain.name):
        drawn = sample(domain.tables["test"], 0, shape, np.arange(20))
        for support, support_y, query, query_y in zip(*drawn, strict=True):
            rows = np.concatenate([support, query])
            assert len(set(rows.tolist())) == len(rows), "an example stands twice"
            assert (np.bincount(support_y) == shape.shots).all() and (
                np.bincount(query_y) == shape.queries
            ).all()
            of_label = labels[support[:: shape.shots]]
            assert len(set(of_label.tolist())) == shape.ways
            assert (labels[query] == of_label[query_y]).all()
            if domain.tables["test"].disjoint:
                groups = np.asarray(domain.store.examples.groups)
                assert not set(groups[support].tolist()) & set(groups[query].tolist())


def test_episodes_are_deterministic_and_finite(domain: Domain) -> None:
    shape = suite_of(domain.name).shapes(domain.name)[0]
    a, b = (domain.episodes("test", shape, 0, [3, 4]) for _ in range(2))
    assert torch.equal(torch.nan_to_num(a.query.x), torch.nan_to_num(b.query.x))
    assert a.support.x.shape == (2, shape.ways, *a.spec.input_shape)
    assert a.query.y.min() == 0 and a.query.y.max() == shape.ways - 1
    if domain.modality not in ("speech", "series"):  # these have padding, which is NaN
        assert torch.isfinite(a.query.x).all()
    else:  # NaN only as padding: whole frames at the end
        there = ~torch.isnan(a.query.x)
        assert (there.all(-2) == there.any(-2)).all()
        lengths = there.all(-2).sum(-1)
        assert (there.all(-2) == (torch.arange(there.shape[-1]) < lengths[..., None])).all()
        assert lengths.min() > 0


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ways=st.integers(2, 40), shots=st.integers(1, 60), queries=st.integers(1, 60), data=st.data())
def test_any_shape_that_fits_works_and_any_other_says_why(
    domain: Domain, ways: int, shots: int, queries: int, data: st.DataObject
) -> None:
    split: Split = data.draw(st.sampled_from(sorted(domain.tables)))
    table, shape = Domain(domain.store).tables[split], EpisodeShape(ways, shots, queries)
    if table.holds(shape):
        assert sample(table, 1, shape, np.arange(2)).query.shape == (2, ways * queries)
        return
    classes, least = len(table.sizes), int(table.sizes.min())
    with pytest.raises(ValueError, match=f"has {classes} classes|a class with {least} examples"):
        sample(table, 1, shape, np.arange(2))


def test_inputs_are_normalised_by_the_training_classes(domain: Domain) -> None:
    if domain.modality == "text":
        return  # token ids
    if not domain.trains:  # fixed statistics: pixels to [-1, 1], whatever the test classes are like
        x = domain.gather(domain.tables["test"].rows[:50])
        assert domain.store.scale is None and x.min() >= -1 and x.max() <= 1
        return
    x = domain.gather(domain.tables["train"].rows)
    assert float(x.nanmean()) == pytest.approx(0, abs=0.02)
    there = ~torch.isnan(x)
    assert float(x[there].std()) == pytest.approx(1, abs=0.05)


def test_words_come_from_the_training_classes_alone(domain: Domain) -> None:
    if domain.modality != "text" or domain.store.examples.words is None:
        wordless = domain.name == "langid" or domain.name.startswith("planted-")
        assert domain.modality != "text" or wordless or not domain.trains
        return
    from tasks.modality.text import LEAST, words_of

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
    assert manifest.read(suite.name)[domain.name][kind] == manifest.describe(domain, suite)


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
    with pytest.raises(ValueError, match="augment masks spectrograms, and this is text"):
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
