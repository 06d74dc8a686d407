"""Discrete architectures: text and JSON round trips, numbers, building, inheriting."""

import json

import pytest
import torch
from torch.func import functional_call

from metanas.base.registry import UnknownName
from metanas.base.seeding import generator
from metanas.data.episode import TaskSpec
from metanas.models.build import network
from metanas.models.derived import DerivedNet, derived_net
from metanas.models.relaxation import one_hot
from metanas.models.supernet import SuperNet
from metanas.params import Params, tree_map
from metanas.search.variation import crossover, mutate, sample
from metanas.space.architecture import Architecture, Cell, Edge, Node, derive, parse
from metanas.space.enumeration import at, number, size
from metanas.space.space import SearchSpace
from tests import tiny

SPACES = {
    "chain": SearchSpace(),
    "all ops": SearchSpace(
        ops=("conv1", "sepconv5", "dilconv3", "lstm", "fc-global", "none"),
        layers=4,
        channels=8,
        residual=False,
    ),
    "cells": SearchSpace(nodes=3, layers=2, channels=8, reductions=()),
    "fixed depth": SearchSpace(strategy="{depth: {fixed: 2}, node: {search: [convolution]}}"),
}


@pytest.mark.parametrize("space", SPACES.values(), ids=list(SPACES))
class TestEverySampledArchitecture:
    def test_round_trips_through_text_json_and_number(self, space: SearchSpace) -> None:
        g = generator(0, "round trip")
        for _ in range(50):
            architecture = sample(space, g)
            assert parse(str(architecture)) == architecture
            assert Architecture.from_json(architecture.to_json()) == architecture
            assert at(space, number(space, architecture)) == architecture

    def test_has_children_in_the_same_space(self, space: SearchSpace) -> None:
        g = generator(0, "children")
        one, other = sample(space, g), sample(space, g)
        for _ in range(50):
            child = mutate(space, one, g)
            assert child != one
            both = crossover(space, child, other, g)
            for i, layer in enumerate(both.layers):
                assert layer in [p.layers[i] for p in (child, other) if i < len(p.layers)]
            one, other = both, child
            assert 0 <= number(space, one) < size(space)

    def test_equals_the_supernet_where_it_alone_is_chosen(self, space: SearchSpace) -> None:
        net = SuperNet(space, tiny.SPECS).double()
        noise = generator(1, "inherit")
        params = tree_map(
            lambda t: (t + 0.1 * torch.randn(t.shape, generator=noise)).double(),
            net.init(generator(0, "inherit")),
        )
        for spec in tiny.SPECS:
            architecture = sample(space, noise)
            chosen = one_hot(space, architecture)
            chosen = chosen.of({name: t.double() for name, t in chosen.weights.items()})
            x = tiny.inputs(spec, 3).double() if spec.modality != "text" else tiny.inputs(spec, 3)
            expected = functional_call(net, params.weights, (x, chosen, spec))
            built = derived_net(architecture, spec, inherit=params).double()
            inherited = DerivedNet(architecture, [spec]).double().inherited(params)
            found = functional_call(built, inherited.weights, (x, {}, spec))
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)
            torch.testing.assert_close(
                built(x).float(), expected.float(), rtol=1e-3, atol=1e-4
            )  # copied in 32 bit


def test_numbers_are_a_bijection_and_the_size_is_a_closed_form() -> None:
    chain = SearchSpace(ops=("conv3", "gru", "none"), activations=("relu", "tanh"), layers=3)
    assert size(chain) == 4 + 4**2 + 4**3  # 2 ops (none is not derived) x 2 activations
    cells = SearchSpace(ops=("conv3", "gru"), activations=("relu",), layers=1, nodes=2, reductions=())
    assert size(cells) == 2**2 * (3 * 2**2)  # node 0 reads both inputs, node 1 two of three
    for space in (chain, cells):
        every = [at(space, i) for i in range(size(space))]
        assert len(set(every)) == size(space)
        assert [number(space, architecture) for architecture in every] == list(range(size(space)))
    with pytest.raises(ValueError, match="lies in 0..83, got 84"):
        at(chain, 84)


def test_numbers_do_not_change() -> None:
    assert str(at(SearchSpace(), 12345)) == "fc/sigmoid > avgpool3/relu > avgpool3/relu"
    with pytest.raises(ValueError, match="is not of this space"):
        number(SearchSpace(), parse("lstm/relu"))


def test_all_architectures_are_drawn_and_equally_often() -> None:
    space = SearchSpace(ops=("conv3", "gru"), activations=("relu",), layers=2)
    g, counts = generator(0, "uniform"), [0] * size(space)
    for _ in range(600):
        counts[number(space, sample(space, g))] += 1
    assert size(space) == 6
    assert min(counts) > 60 and max(counts) < 140  # 100 expected, standard deviation 9


@pytest.mark.parametrize(
    "text",
    [
        "conv3/relu > maxpool3 > gru/tanh > attn/gelu > fc/gelu",
        "skip",
        "conv5/silu (channels=16, reductions=none, residual=no)",
        "[conv3@0 + skip@1, gru@2]/relu > [conv1@0, fc@1]/tanh (reductions=0+1)",
    ],
)
def test_text_forms_round_trip(text: str) -> None:
    assert str(parse(text)) == text


@pytest.mark.parametrize(("text", "ops"), [("C-P-F", 3), ("C-P-P-F", 4), ("C-P-P-P-F", 5)])
def test_letters_parse(text: str, ops: int) -> None:
    chain = parse(text)
    middle = [Node("maxpool3")] * (ops - 2)
    assert chain.layers == (Node("conv3", "relu"), *middle, Node("fc", "relu"))
    assert parse(str(chain)) == chain


def test_a_text_without_a_frame_takes_the_spaces() -> None:
    found = parse("C-F", SearchSpace(channels=8, reductions=(0, 2), residual=False))
    assert (found.channels, found.reductions, found.residual) == (8, (0,), False)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("convv3/relu", UnknownName, "no op named 'convv3'; did you mean 'conv3'"),
        ("conv3/rellu", UnknownName, "no activation named 'rellu'; did you mean 'relu'"),
        ("[conv3]/relu", ValueError, "an edge of a cell reads op@input, for example conv3@0, got 'conv3'"),
        ("[conv3@2]/relu", ValueError, "node 0 of a cell may read 0..1, got conv3@2"),
        (
            "[conv3@0, gru@2]/relu > fc",
            ValueError,
            "layers are all operations, or all cells of as many nodes",
        ),
        ("conv3 (width=3)", ValueError, "got 'width=3' in it"),
        ("conv3 (reductions=1)", ValueError, r"reductions must lie in 0..0, got \(1,\)"),
    ],
)
def test_a_wrong_text_says_what_would_be_right(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        parse(text)


def test_a_wrong_json_says_what_is_wrong() -> None:
    found = json.loads(parse("C-P-F").to_json())
    with pytest.raises(ValueError, match="architecture.schema_version: expected 1, got 2"):
        Architecture.from_json(json.dumps({**found, "schema_version": 2}))
    with pytest.raises(ValueError, match="not the JSON form of an architecture"):
        Architecture.from_json(json.dumps({**found, "layers": [{"operation": "conv3"}]}))


def test_derive_takes_the_strongest_up_to_the_strongest_exit() -> None:
    space = SearchSpace(ops=("conv3", "none", "gru"), activations=("relu", "tanh"), layers=3)
    node = [[0.1, 0.9, 0.0], [0.0, 0.2, 0.8], [1.0, 0.0, 0.0]]
    activation = [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    assert str(derive(space, node, activation, [0.1, 0.6, 0.3])) == "conv3/relu > gru/tanh"


def test_derive_keeps_the_two_strongest_inputs_of_a_cells_node() -> None:
    space = SearchSpace(ops=("conv3", "gru"), activations=("relu",), layers=1, nodes=2, reductions=())
    node = [[0.9, 0.1], [0.4, 0.6], [0.55, 0.45], [0.2, 0.8], [0.7, 0.3]]
    found = derive(space, node, [[1.0]], [1.0])
    cell = Cell(((Edge("conv3", 0), Edge("gru", 1)), (Edge("gru", 1), Edge("conv3", 2))), "relu")
    assert found.layers == (cell,)
    edges = {"edge0": [[0.5, 0.5]], "edge1": [[0.9, 0.05, 0.05]]}
    assert derive(space, node, [[1.0]], [1.0], **edges).layers[0].graph[1][0] == Edge("conv3", 0)


@pytest.mark.parametrize("spec", tiny.SPECS, ids=lambda spec: spec.modality)
def test_a_fixed_architecture_stands_in_for_the_supernet(spec: TaskSpec) -> None:
    net = network(SearchSpace(channels=8, architecture="C-P-F"), tiny.SPECS)
    assert isinstance(net, DerivedNet)
    params = net.init(generator(0, "fixed"))
    assert params.arch == {}
    x = tiny.inputs(spec, 3).float() if spec.modality != "text" else tiny.inputs(spec, 3)
    assert functional_call(net, params.weights, (x, params.arch, spec)).shape == (3, spec.ways)


def test_build_wants_numbers_from_one_place() -> None:
    with pytest.raises(ValueError, match="either params to inherit or a generator"):
        derived_net(parse("C-F"), tiny.SPEC)
    one, two = (derived_net(parse("C-F"), tiny.SPEC, generator=generator(0, "b")) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    with pytest.raises(KeyError, match="nodes.0.candidates.conv3.weight"):
        derived_net(
            parse("C"),
            tiny.SPEC,
            inherit=Params(
                dict(derived_net(parse("F"), tiny.SPEC, generator=generator(0, "b")).named_parameters()), {}
            ),
        )
