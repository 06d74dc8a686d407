"""The chart of all tasks: which families of operations the chosen architectures are made of."""

from xml.etree import ElementTree

import pytest

from metanas.space.drawing import COLOURS
from metanas.space.overview import BAR, Chosen, families, overview

OPS = ("conv3", "maxpool3", "attn", "skip")
HALF = Chosen("a/5w1s", OPS, [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0]], "conv3/relu")  # half end after a layer
ONE = Chosen("b<&>/5w5s", OPS, [[0, 0, 1, 0], [0, 0, 1, 0]], "attn/relu > attn/relu")


def test_shares_are_those_of_the_nodes_that_were_computed() -> None:
    assert families(HALF) == pytest.approx({"convolution": 1 / 3, "pooling": 1 / 3, "attention": 1 / 3})
    assert families(ONE) == {"attention": 1.0}
    assert families(Chosen("c", OPS, [[0, 0, 0, 0]], "")) == {}


def test_the_bars_of_a_task_are_its_shares_in_the_colours_of_the_families() -> None:
    svg = ElementTree.fromstring(overview("m & n", [HALF, ONE]))
    bars = [e for e in svg.iter() if e.attrib.get("height") == "18"]
    widths = [float(bar.attrib["width"]) / BAR for bar in bars]
    assert widths == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1], abs=1e-3)
    names = ("convolution", "pooling", "attention", "attention")
    assert [bar.attrib["fill"] for bar in bars] == [COLOURS[name] for name in names]
    texts = [e.text for e in svg.iter() if e.text]
    assert {"m & n", "b<&>/5w5s", "attn/relu > attn/relu", "33", "100", "pooling"} <= set(texts)
    assert "recurrent" not in texts, "the legend has the families that were chosen"
