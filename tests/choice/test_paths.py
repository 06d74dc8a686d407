"""All candidates at once equal each candidate alone."""

from dataclasses import replace

import pytest
import torch
from torch.func import functional_call

from metanas.base.errors import InvalidValue
from metanas.choice import paths
from metanas.choice.candidates import affordable, candidates
from metanas.choice.paths import Paths, embed_all
from metanas.models.macs import macs
from metanas.models.relaxation import one_hot
from metanas.models.supernet import SuperNet
from metanas.space.space import SearchSpace
from tests import tiny

SPACES = {
    "chain": SearchSpace(layers=3, channels=8, reductions=(1,)),
    "lean": SearchSpace(layers=2, channels=8, stem="lean", patch=2),
    "frames": SearchSpace(layers=2, channels=8, stem="frames"),
    "cells": SearchSpace(layers=2, channels=8, nodes=2, ops=("conv3", "attn", "skip")),
}


@pytest.mark.parametrize(("together", "kept"), [(1, 1), (1, 2**12), (paths.TOGETHER, paths.KEPT)])
@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("spec", tiny.SPECS, ids=lambda spec: spec.modality)
def test_features_of_each_candidate(
    name: str, spec: object, together: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where only one map, or some, may be in memory at once."""
    monkeypatch.setattr(paths, "TOGETHER", together)
    monkeypatch.setattr(paths, "KEPT", kept)
    space = SPACES[name]
    net = SuperNet(space, tiny.SPECS)
    weights = {n: t.double() for n, t in net.init(torch.Generator().manual_seed(0)).weights.items()}
    x = tiny.inputs(spec, 4)
    found = candidates(space, 24)
    features = embed_all(Paths(net.double(), found), weights, spec, x[None])
    for architecture, of_one in zip(found, features, strict=True):
        path = one_hot(space, architecture)
        path = path.of({n: t.double() for n, t in path.weights.items()})
        alone = functional_call(net, weights, (x, path, spec), {"head": False})
        torch.testing.assert_close(of_one[0], alone, rtol=1e-10, atol=1e-10)


def test_candidates_are_distinct_pinned_and_nested() -> None:
    space = SearchSpace()
    few, many = candidates(space, 20), candidates(space, 40)
    assert many[:20] == few and len(set(many)) == 40
    assert [str(a) for a in few[:2]] == [
        "conv3/relu > conv3/relu > conv3/relu",
        "conv5/relu > conv5/relu > conv5/relu",
    ]
    assert candidates(replace(space, sampling="fair"), 20) == few


def test_a_budget_leaves_the_cheap_ones() -> None:
    spec, found = tiny.SPECS[0], candidates(SearchSpace(), 30)
    costs = [macs(a, spec) for a in found]
    limit = sorted(costs)[10]
    assert affordable(found, spec, limit) == [i for i, cost in enumerate(costs) if cost <= limit]
    with pytest.raises(InvalidValue, match="no candidate costs at most 1 MACs"):
        affordable(found, spec, 1)
