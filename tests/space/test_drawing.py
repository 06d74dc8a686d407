"""The drawing of adapted architectures: how often each candidate was chosen, and how sure the choice was."""

from xml.etree import ElementTree

import numpy as np
import pytest

from metanas.space import decoding
from metanas.space.drawing import Values, draw
from metanas.space.space import SearchSpace

SPACE = SearchSpace(ops=("conv3", "attn"), activations=("relu", "tanh"), layers=2, reductions=())


def drawn(probabilities: dict[str, np.ndarray]) -> tuple[list[str], list[float]]:
    """The texts of a drawing, and the widths of its bars in %."""
    mean = {name: p.mean(0).tolist() for name, p in probabilities.items()}
    shares = {name: p.tolist() for name, p in decoding.shares(SPACE, probabilities).items()}
    chosen = Values(shares["node"], shares["activation"], shares["depth"])
    svg = ElementTree.fromstring(
        draw("m", SPACE, mean["node"], mean["activation"], mean["depth"], "conv3", shares=chosen)
    )
    texts = [element.text for element in svg.iter() if element.text]
    bars = [float(e.attrib["width"]) / 1.06 for e in svg.iter() if e.attrib.get("height") == "11"]
    return texts, bars


def choices(first: list[float], depth: list[float]) -> dict[str, np.ndarray]:
    """Ten episodes: eight with these probabilities, two with the reversed ones."""

    def both(row: list[float]) -> np.ndarray:
        return np.array([row] * 8 + [row[::-1]] * 2)

    return {
        "node": np.stack([both(first), both(first)], 1),
        "activation": np.stack([both(first)] * 2, 1),
        "depth": both(depth),
    }


def test_bars_are_shares_of_episodes_and_small_figures_mean_probabilities() -> None:
    texts, bars = drawn(choices([0.52, 0.48], [0.1, 0.9]))
    assert bars[:5] == pytest.approx([80, 20, 80, 20, 20])  # conv3, attn, relu, tanh, exit of layer 1
    assert bars[5:7] == pytest.approx([80, 0.94], abs=0.1)  # the other two episodes end before layer 2
    assert texts.count("p 51") == 4 and texts.count("p 49") == 4
    assert any("it was chosen (the strongest); p: its mean probability" in text for text in texts)


def test_discrete_choices_have_no_figure_beside() -> None:
    texts, _ = drawn(choices([1.0, 0.0], [0.0, 1.0]))
    assert not any(text.startswith("p ") for text in texts)
    assert "bars: in how many % of the episodes it was chosen" in texts


def test_without_counts_the_bars_are_mean_probabilities_and_say_so() -> None:
    svg = draw("m", SPACE, [[0.5, 0.5]] * 2, [[0.6, 0.4]] * 2, [0.3, 0.7], "conv3")
    assert "bars: mean probability of each candidate, in %" in svg and ">70<" in svg
