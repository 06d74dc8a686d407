"""Word tokens and frozen word vectors from a user's file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from metanas.base.errors import DataError, InvalidValue
from metanas.base.seeding import generator
from metanas.data.domain import Domain
from metanas.data.episode import EpisodeShape
from metanas.data.suite import DomainOptions
from metanas.data.word_vectors import word_table
from metanas.data.words import encode_words, vocabulary_of, words_of
from metanas.models.network import init_weights
from metanas.models.stem import Stem

SHAPE = EpisodeShape(5, 1, 3)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "small.vec"
    path.write_text("3 2\nmy 1 2\ncard 3 4\nunheard 5 6\n", encoding="utf-8")
    return path


def test_words_in_lower_case_most_frequent_first_unknown_is_one() -> None:
    assert words_of("Where's my CARD?") == ["where", "s", "my", "card"]
    vocabulary = vocabulary_of(["a b b", "b a c"], least=2)
    assert vocabulary == ["b", "a"]  # c occurs once
    assert encode_words(["a b c d", "b"], vocabulary, 3).tolist() == [[3, 2, 1], [2, 0, 0]]


def test_a_table_has_the_files_numbers_up_to_one_scale(file: Path) -> None:
    table = np.load(word_table(file, ["card", "my", "missing"]))
    scale = np.sqrt(np.mean(np.square([1, 2, 3, 4])))
    expected = np.array([[0, 0], [0, 0], [3, 4], [1, 2], [0, 0]]) / scale
    np.testing.assert_allclose(table, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("my 1 2\ncard 3\n", "small.vec: line 2 has 1 numbers, the first has 2"),
        ("my 1 x\n", "small.vec: line 1: could not convert string to float: 'x'"),
        ("my 1 nan\n", "small.vec: the numbers' mean square is nan; it must be finite and above 0"),
        ("my 0 0\n", "small.vec: the numbers' mean square is 0.0; it must be finite"),
        ("other 1 2\n", "small.vec: none of the 2 words of the vocabulary is in it"),
    ],
)
def test_a_bad_file_is_named(content: str, message: str, file: Path) -> None:
    file.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        word_table(file, ["my", "card"])
    with pytest.raises(DataError, match="none.vec: word vectors cannot be read: No such file"):
        word_table(file.with_name("none.vec"), ["my"])


def test_a_stem_projects_frozen_vectors_and_learns_only_the_projection(file: Path, shared: Path) -> None:
    plain, frozen = (
        Domain.open("banking77", shared, DomainOptions(tokens="words", vectors=vectors))
        for vectors in (None, file)
    )
    assert len({plain.fingerprint, frozen.fingerprint, plain.store.fingerprint}) == 3
    spec, x = frozen.spec(5), frozen.episodes("test", SHAPE, 0, [0]).support.x[0]
    ours = vocabulary_of(frozen.store.extra["text"])
    assert spec.lexicon == "banking77" and spec.vocabulary == len(ours) + 2 > plain.spec(5).vocabulary
    stem = Stem(spec, 8)
    names = {name for name, _ in stem.named_parameters()}
    assert "projection" in names and "embedding" not in names and "vectors" not in names
    weights = init_weights(stem, generator(0, "stem"))
    features, mask = torch.func.functional_call(stem, weights, (x,))
    assert features.shape[:2] == (5, 8) and torch.isfinite(features).all() and mask is not None
    row = torch.tensor([[ours.index("card") + 2]])
    expected = torch.tensor([3.0, 4.0]) / np.sqrt(7.5) @ weights["projection"].T
    projected = torch.func.functional_call(_Embed(stem), {f"stem.{k}": v for k, v in weights.items()}, (row,))
    torch.testing.assert_close(projected[0, 0], expected.float())


def test_words_of_other_classes_have_their_vectors_too(tmp_path: Path, shared: Path) -> None:
    plain = Domain.open("banking77", shared, DomainOptions(tokens="words"))
    texts, test = plain.store.extra["text"], plain.tables["test"]
    new = vocabulary_of(texts[row] for row in test.rows)
    word = next(w for w in new if w not in plain.store.extra["vocabulary"])
    (path := tmp_path / "one.vec").write_text(f"{word} 3 4\n", encoding="utf-8")
    frozen = Domain.open("banking77", shared, DomainOptions(tokens="words", vectors=path))
    row = next(int(r) for r in test.rows if word in words_of(texts[r]))
    ids = frozen.gather(np.array([[row]]))[0, 0].tolist()
    assert 1 not in ids and 1 in plain.gather(np.array([[row]]))[0, 0].tolist()
    table = np.load(frozen.spec(5).vectors)
    assert [i for i in ids if table[i].any()] == [ids[words_of(texts[row]).index(word)]]


def test_texts_that_are_not_kept_are_an_error(file: Path, shared: Path) -> None:
    store = Domain.open("banking77", shared).store
    options = DomainOptions(tokens="words", vectors=file)
    for texts, message in (
        (None, "banking77 keeps no texts"),
        (["word " * 200, "w" * 1000], "first 1,000 characters of a text; one has not all of the 32 words"),
    ):
        changed = replace(store)
        changed.__dict__["extra"] = {} if texts is None else {"text": texts}
        with pytest.raises(InvalidValue, match=message):
            Domain(changed, options)


class _Embed(torch.nn.Module):
    """Only the first part of a stem."""

    def __init__(self, stem: Stem) -> None:
        super().__init__()
        self.stem = stem

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.stem.embed(x)
