"""Sealed episodes: what is drawn is what labels say, new every time, and can be answered from the inputs."""

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from metanas.data import sealed
from metanas.data.adapter import DOMAINS
from metanas.data.episode import EpisodeShape
from metanas.data.sealed import SealedTask, draw, labels, sealable
from tasks.langid import invented_names, is_latin, unshared_names
from tasks.spoken_words import CASTS, FRESH_VOICES, invented_words

SHAPE = EpisodeShape(3, 2, 4)


class Numbered:
    """A domain whose example k of class c in an episode is [episode's mark, c, k]."""

    def fresh(self, source: random.Random, ways: int, each: int) -> NDArray[Any]:
        mark = source.getrandbits(30)
        return np.array([[[mark, c, k] for k in range(each)] for c in range(ways)])


def test_each_query_has_the_class_its_label_says_and_no_example_stands_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(DOMAINS._things, "langid", Numbered)  # type: ignore[arg-type]
    task = SealedTask("langid", SHAPE, 5)
    found, true = draw(7, task), labels(7, task)
    assert found.support.shape == (5, 6, 3) and found.query.shape == (5, 12, 3)
    assert (found.query[..., 1] == true).all()
    assert (found.support[..., 1] == [0, 0, 1, 1, 2, 2]).all(), "the support set comes class by class"
    rows = np.concatenate([found.support, found.query], 1).reshape(-1, 3)
    assert len({tuple(row) for row in rows.tolist()}) == len(rows)
    assert len(set(found.query[..., 0].ravel().tolist())) == 5, "every episode has classes of its own"


def test_labels_follow_from_the_secret_alone_and_are_not_those_of_pinned_episodes() -> None:
    task = SealedTask("langid", EpisodeShape(5, 1, 15), 20)
    assert (labels(2**200 + 1, task) == labels(2**200 + 1, task)).all()
    for other in (0, 1, 2**200 + 2):
        agree = (labels(2**200 + 1, task) == labels(other, task)).mean()
        assert 0.15 < agree < 0.25, "five classes agree by chance in a fifth"
    assert (np.sort(labels(9, task), axis=1) == np.repeat(np.arange(5), 15)).all()


def test_invented_words_and_voices_are_in_no_split() -> None:
    source = random.Random(1)
    words = [word for _ in range(200) for word in invented_words(source, 5)]
    assert not {word for cast in CASTS.values() for word in cast.words} & set(words)
    assert not {voice for cast in CASTS.values() for voice in cast.voices} & set(FRESH_VOICES)
    assert len(set(words)) > 980


def test_invented_names_are_in_no_list_and_differ_within_a_language() -> None:
    real = unshared_names()
    known = {name.casefold() for names in real.values() for name in names}
    source = random.Random(2)
    for language in source.sample(sorted(real), 12):
        names = invented_names(source, language, 20)
        assert len(set(names)) == 20
        assert not known & {name.casefold() for name in names}
        assert all(is_latin(name) for name in names if sum(map(str.isalpha, name)) >= 3)


def test_names_of_one_invented_language_are_more_alike_than_those_of_two() -> None:
    def letters(names: list[str]) -> Counter[str]:
        return Counter("".join(names).casefold())

    def overlap(a: Counter[str], b: Counter[str]) -> float:
        return sum((a & b).values()) / min(a.total(), b.total())

    source, same, other = random.Random(3), [], []
    for first, second in (source.sample(sorted(unshared_names()), 2) for _ in range(15)):
        one, two = invented_names(source, first, 40), invented_names(source, second, 20)
        same.append(overlap(letters(one[:20]), letters(one[20:])))
        other.append(overlap(letters(one[:20]), letters(two)))
    assert np.mean(same) > np.mean(other) + 0.1


def test_public_data_sets_are_refused() -> None:
    assert [name for name in DOMAINS if sealable(name)] == ["langid", "spoken-words"]
    with pytest.raises(ValueError, match="digits is a public data set; fresh episodes of it cannot be"):
        draw(1, SealedTask("digits", SHAPE, 1))


def test_the_program_writes_inputs_like_the_data_and_nothing_else(tmp_path: Path) -> None:
    tasks = [SealedTask("langid", SHAPE, 2), SealedTask("spoken-words", SHAPE, 1)]
    request, out = sealed.request(5, tasks), tmp_path / "out.safetensors"
    assert json.loads(request)["secret"] == "5"
    subprocess.run([sys.executable, "-m", "metanas.data.sealed", str(out)], input=request, check=True)
    found = load_file(out)
    assert {name: array.shape for name, array in found.items()} == {
        "langid/3w2s/support": (2, 6, 24),
        "langid/3w2s/query": (2, 12, 24),
        "spoken-words/3w2s/support": (1, 6, 40, 64),
        "spoken-words/3w2s/query": (1, 12, 40, 64),
    }
    assert np.array_equal(found["langid/3w2s/query"], draw(5, tasks[0]).query)
    speech = found["spoken-words/3w2s/query"].astype(np.float32)
    assert speech.dtype == np.float32 and np.isfinite(speech[..., 0]).all(), "padding is only at the end"
