import pytest
import torch

from metanas.base.registry import UnknownName
from metanas.base.seeding import generator
from metanas.data.episode import TaskSpec
from metanas.models.network import apply
from metanas.models.supernet import SuperNet
from metanas.params import Params, tree_map
from metanas.space.drawing import draw
from metanas.space.space import SearchSpace
from tests import tiny

SPACE = SearchSpace(layers=2, channels=8)
NET = SuperNet(SPACE, tiny.SPECS).double()


def params() -> Params:
    noise = generator(1, "net")
    fresh = NET.init(generator(0, "net"))
    return tree_map(lambda t: (t + 0.1 * torch.randn(t.shape, generator=noise)).double(), fresh)


@pytest.mark.parametrize("spec", tiny.SPECS, ids=lambda spec: spec.modality)
def test_one_by_one_equals_all_at_once(spec: TaskSpec) -> None:
    x, numbers = tiny.inputs(spec, 3), params()
    together = apply(NET, numbers, x, spec)
    assert together.shape == (3, spec.ways)
    for i in range(3):
        torch.testing.assert_close(
            apply(NET, numbers, x[i : i + 1], spec)[0], together[i], rtol=1e-9, atol=1e-9
        )


@pytest.mark.parametrize("spec", tiny.SPECS[1:], ids=lambda spec: spec.modality)
@pytest.mark.parametrize("more", [1, 2, 5])
def test_more_padding_changes_no_logits(spec: TaskSpec, more: int) -> None:
    x, numbers = tiny.inputs(spec, 3), params()
    pad = 0 if spec.modality == "text" else torch.nan
    wider = torch.cat([x, torch.full((*x.shape[:-1], more), pad, dtype=x.dtype)], -1)
    torch.testing.assert_close(
        apply(NET, numbers, wider, spec), apply(NET, numbers, x, spec), rtol=1e-8, atol=1e-9
    )


def test_initialisation_is_a_pure_function_of_the_generator() -> None:
    a, b, c = (NET.init(generator(seed, "x")) for seed in (0, 0, 1))
    assert all(torch.equal(a.weights[k], b.weights[k]) for k in a.weights)
    assert any(not torch.equal(a.weights[k], c.weights[k]) for k in a.weights)


def test_wrong_names_and_sizes_say_what_would_be_right() -> None:
    with pytest.raises(UnknownName, match="no op named 'conv33'; did you mean 'conv3'"):
        SearchSpace(ops=("conv33",))
    with pytest.raises(ValueError, match="layers must be positive, got 0"):
        SearchSpace(layers=0)
    with pytest.raises(ValueError, match=r"reductions must lie in 0..1, got \(2,\)"):
        SearchSpace(layers=2, reductions=(2,))


def test_the_drawing_shows_every_candidate_and_is_well_formed() -> None:
    from xml.etree import ElementTree

    node = [[1 / 8] * 8] * 2
    svg = draw("a <b>", SPACE, node, [[0.2, 0.5, 0.3]] * 2, [0.4, 0.6], "conv3/tanh")
    words = [element.text for element in ElementTree.fromstring(svg).iter() if element.text]
    assert all(words.count(op) == 2 for op in SPACE.ops)
    assert "a <b>" in words
