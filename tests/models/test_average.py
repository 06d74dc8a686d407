"""The network that averages: a bag of tokens, against numpy; what all networks of tokens refuse."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from metanas.base.errors import InvalidValue
from metanas.base.seeding import generator
from metanas.data.episode import TaskSpec
from metanas.models.average import Average
from metanas.models.build import build
from metanas.space.network_config import NetworkConfig
from metanas.space.space import SearchSpace

SPEC = TaskSpec("words", "text", (6,), ways=3, vocabulary=9, lexicon="words")


@pytest.mark.parametrize("frozen", [False, True])
def test_the_mean_of_a_texts_words(tmp_path: Path, frozen: bool) -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(9, 5)).astype(np.float32)
    np.save(tmp_path / "table.npy", table)
    spec = replace(SPEC, vectors=str(tmp_path / "table.npy") if frozen else "")
    net = Average([spec], NetworkConfig(kind="average", width=4)).double()
    weights = {name: t.double() for name, t in net.init(generator(0, "average")).weights.items()}
    x = torch.tensor([[3, 4, 8, 0, 0, 0], [1, 2, 3, 4, 5, 6], [8, 4, 3, 0, 0, 0]])
    features = torch.func.functional_call(net, weights, (x, {}, spec), {"head": False})

    name = next(name for name in weights if name.startswith("entries."))
    given = weights[name].numpy()
    words = table.astype(np.float64) @ given.T if frozen else given
    means = np.stack([words[[3, 4, 8]].mean(0), words[1:7].mean(0), words[[8, 4, 3]].mean(0)])
    projected = means @ next(t for n, t in weights.items() if n.startswith("project.")).numpy().T
    expected = projected - projected.mean(1, keepdims=True)
    expected /= np.sqrt(expected.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(features.numpy(), expected, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(features[0], features[2], rtol=1e-12, atol=1e-12)  # order does not matter


@pytest.mark.parametrize(
    ("kind", "shapes"),
    [
        ("average", [("speech", (40, 51)), ("speech", (64, 51))]),
        ("transformer", [("speech", (40, 51)), ("speech", (64, 51))]),
        ("gru", [("image", (1, 28, 28)), ("image", (1, 32, 32))]),
    ],
)
def test_tokens_of_two_sizes_are_refused_with_both(
    kind: str, shapes: list[tuple[Any, tuple[int, ...]]]
) -> None:
    specs = [
        TaskSpec(name, modality, shape, 5)
        for name, (modality, shape) in zip(("first", "second"), shapes, strict=True)
    ]
    with pytest.raises(
        InvalidValue, match=rf"network.kind={kind} .*those of second, .*others \d+; take conv4"
    ):
        build(NetworkConfig(kind=kind), SearchSpace(), specs)
    for spec in specs:
        build(NetworkConfig(kind=kind), SearchSpace(), [spec])
    net = build(NetworkConfig(kind="conv4"), SearchSpace(), specs)
    weights = net.init(generator(0, "net")).weights
    for spec in specs:
        x = torch.ones(2, *spec.input_shape)
        assert torch.func.functional_call(net, weights, (x, {}, spec)).shape == (2, 5)
