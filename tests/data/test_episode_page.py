"""The page of an episode holds what the episode holds, and nothing from elsewhere."""

import base64
import io
import re
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metanas.data.domain import Domain
from metanas.data.episode import EpisodeShape
from metanas.data.episode_page import write
from metanas.data.sampler import sample


def page_of(name: str, folder: Path, root: Path | None, *, shots: int = 1, split: str = "test") -> str:
    out = folder / "page.html"
    write(name, out, suite="", split=split, episode=3, shots=shots, root=root)
    return out.read_text(encoding="utf-8")


def embedded(kind: str, page: str) -> list[bytes]:
    return [base64.b64decode(found) for found in re.findall(rf'src="data:{kind};base64,([^"]+)"', page)]


def test_images_are_those_of_the_episode(tmp_path: Path) -> None:
    page = page_of("digits", tmp_path, None, shots=2)
    domain = Domain.open("digits")
    drawn = sample(domain.tables["test"], 0, EpisodeShape(5, 2, 15), np.array([3]))
    shown = [np.asarray(Image.open(io.BytesIO(raw))) for raw in embedded("image/png", page)]
    assert len(shown) == 5 * (2 + 15)
    x = np.asarray(domain.store.examples.x)
    assert (shown[0] == x[drawn.support[0, 0], 0]).all()
    query_of_class_4 = drawn.query[0, drawn.query_y[0] == 4]
    assert (shown[-1] == x[query_of_class_4[-1], 0]).all()


def test_texts_are_escaped_and_nothing_is_asked_of_another_host(tmp_path: Path, shared: Path) -> None:
    page = page_of("ag_news", tmp_path, shared, shots=5)
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert len(re.findall("<figure", page)) == 4 * (5 + 15)
    assert "<script" not in page
    assert "a sample of the data set" in page


@pytest.mark.parametrize("name", ["fsdd", "spoken-words"])
def test_speech_can_be_seen_and_heard(name: str, tmp_path: Path, shared: Path) -> None:
    page = page_of(name, tmp_path, shared if name == "fsdd" else None)
    sounds, pictures = embedded("audio/wav", page), embedded("image/png", page)
    assert len(sounds) == len(pictures) == page.count('<svg class="wave"') == 5 * 16
    with wave.open(io.BytesIO(sounds[0])) as file:
        assert file.getnframes() > 0.1 * file.getframerate()
    assert ("synthetic" in page) == (name == "spoken-words")


def test_an_episode_that_cannot_be_says_why(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="digits/test has a class with 500 examples .'5'., too few for 990 shots"
    ):
        page_of("digits", tmp_path, None, shots=990)
    with pytest.raises(KeyError, match="no domain named 'digit'; did you mean 'digits'"):
        page_of("digit", tmp_path, None)
    with pytest.raises(ValueError, match="langid has no split 'tset'; it has: train, val, test"):
        page_of("langid", tmp_path, None, split="tset")
