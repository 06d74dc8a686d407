"""Every registered domain, found by itself: splits, labels, determinism, what leaves the gate."""

from pathlib import Path

import numpy as np
import pytest
import torch

from metanas import manifest
from metanas.domain import Domain
from metanas.episode import EpisodeShape
from metanas.kinds import DOMAINS
from metanas.store import DataError
from metanas.suite import load_suite

EMBEDDED = load_suite("mini-v1").domains


@pytest.fixture(params=list(DOMAINS))
def domain(request: pytest.FixtureRequest) -> Domain:
    root = None if request.param in EMBEDDED else request.getfixturevalue("shared")
    return Domain.open(request.param, root)


def test_splits_are_disjoint_and_every_class_has_examples(domain: Domain) -> None:
    splits = domain.store.examples.splits
    names = [name for classes in splits.values() for name in classes]
    assert len(set(names)) == len(names)
    assert {"train", "test"} <= set(splits)
    for table in domain.tables.values():
        assert table.sizes.min() >= 20
        assert len(table.sizes) >= 5


def test_no_example_is_in_two_splits(domain: Domain) -> None:
    rows = np.concatenate([table.rows for table in domain.tables.values()])
    assert len(set(rows.tolist())) == len(rows)


def test_episodes_are_deterministic_and_finite(domain: Domain) -> None:
    shape = EpisodeShape(5, 1, 15)
    a, b = (domain.episodes("test", shape, 0, [3, 4]) for _ in range(2))
    assert torch.equal(torch.nan_to_num(a.query.x), torch.nan_to_num(b.query.x))
    assert a.support.x.shape == (2, 5, *a.spec.input_shape)
    assert a.query.y.min() == 0 and a.query.y.max() == 4
    if domain.modality != "speech":
        assert torch.isfinite(a.query.x).all()
    else:  # NaN only as padding: whole frames at the end
        there = ~torch.isnan(a.query.x)
        assert (there.all(-2) == there.any(-2)).all()
        lengths = there.all(-2).sum(-1)
        assert (there.all(-2) == (torch.arange(there.shape[-1]) < lengths[..., None])).all()
        assert lengths.min() > 0


def test_inputs_are_normalised_by_the_training_classes(domain: Domain) -> None:
    if domain.modality == "text":
        return  # token ids
    x = domain.gather(domain.tables["train"].rows)
    assert float(x.nanmean()) == pytest.approx(0, abs=0.02)
    assert float(x[~torch.isnan(x)].std()) == pytest.approx(1, abs=0.05)


def test_spoken_words_keeps_voices_apart() -> None:
    domain = Domain.open("spoken-words")
    voices = {split: set(table.groups.tolist()) for split, table in domain.tables.items()}  # type: ignore[union-attr]
    assert not (
        voices["train"] & voices["test"] or voices["train"] & voices["val"] or voices["val"] & voices["test"]
    )
    assert domain.synthetic
    assert len(set.union(*voices.values())) >= 8


def test_spoken_words_are_the_same_in_any_order() -> None:
    from tasks.spoken_words import spoken

    asked = [
        (w, v, 175, 35) for w in ("apple", "bridge", "candle") for v in ("adam", "shelby", "klatt6", "Denis")
    ]
    once = {a: spoken(*a).tobytes() for a in asked}
    again = {a: spoken(*a).tobytes() for a in reversed(asked)}
    assert once == again


def test_langid_names_belong_to_one_language_only() -> None:
    examples = Domain.open("langid").store.examples
    names = [name.casefold() for name in examples.extra["text"]]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_data_is_what_the_suite_was_pinned_on(name: str) -> None:
    manifest.check(Domain.open(name), load_suite("mini-v1"))


def test_other_data_is_an_error_with_both_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    domain, suite = Domain.open("digits"), load_suite("mini-v1")
    pinned = domain.store.fingerprint
    monkeypatch.setattr(
        domain, "store", type(domain.store)("digits", Path(), domain.store.examples, "ab" * 32)
    )
    with pytest.raises(DataError, match=f"fingerprint {'ab' * 32}, mini-v1 was pinned on {pinned}"):
        manifest.check(domain, suite)


def test_omniglot_without_a_folder_says_how_to_give_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--data-root DIR or METANAS_DATA=DIR"):
        Domain.open("omniglot")
    with pytest.raises(DataError, match="images_background.parquet is missing"):
        Domain.open("omniglot", tmp_path)
    (tmp_path / "omniglot").mkdir()
    for name in ("images_background.parquet", "images_evaluation.parquet"):
        (tmp_path / "omniglot" / name).write_bytes(b"PAR1 cut short")
    with pytest.raises(DataError, match="images_background.parquet: not the expected Parquet file"):
        Domain.open("omniglot", tmp_path)
