"""Stems and standardised candidates: what a position sees, and equality with derived networks and torch."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from metanas.base.errors import InvalidValue
from metanas.data.episode import Modality, TaskSpec
from metanas.models.derived import DerivedNet
from metanas.models.macs import macs
from metanas.models.network import apply
from metanas.models.relaxation import one_hot
from metanas.models.stem import LeanStem, make_stem
from metanas.models.supernet import SuperNet
from metanas.params import Params, tree_map
from metanas.space.architecture import Architecture, parse
from metanas.space.sizes import patch_of
from metanas.space.space import SearchSpace, StemName
from tests import tiny

LEAN = SearchSpace(layers=3, channels=8, reductions=(1,), stem="lean", patch=2)


@pytest.mark.parametrize("spec", tiny.SPECS, ids=lambda spec: spec.modality)
def test_a_position_of_a_lean_stem_reads_its_own_patch_only(spec: TaskSpec) -> None:
    stem = LeanStem(spec, 8, patch_of(spec.modality, 2)).double()
    torch.manual_seed(0)
    for p in stem.parameters():
        torch.nn.init.normal_(p)
    x = tiny.inputs(spec, 2)[1:]
    embedded = torch.nn.functional.conv2d if spec.modality != "text" else None
    before, mask = stem.read(x)
    changed = x.clone()
    changed[..., -1] = 1 if spec.modality == "text" else 5.0  # the last column or token
    after, _ = stem.read(changed)
    if embedded is not None:
        before, after = (embedded(t, stem.weight, stride=stem.patch) for t in (before, after))
    moved = (before - after).abs().sum(1)[0].sum(0) > 0
    assert moved[-1] and not moved[:-1].any()
    assert mask is None or mask.shape[-1] == x.shape[-1]


def test_a_stem_of_frames_is_convolutions_over_time_of_all_bands() -> None:
    spec = TaskSpec("words", "speech", (16, 40), 5)
    stem = make_stem(spec, replace(LEAN, stem="frames")).double()
    torch.manual_seed(0)
    for p in stem.parameters():
        torch.nn.init.normal_(p)
    x = torch.randn(2, *spec.input_shape, dtype=torch.float64)
    x[..., 32:] = torch.nan
    h = x[..., :32]  # without the padding
    for i in range(3):
        kernel = stem.get_parameter(f"weights.{i}")[:, :, 1]
        h = torch.nn.functional.conv1d(h, kernel, stride=2, padding=1)
        scale, bias = (stem.get_parameter(f"norms.{i}.{name}") for name in ("scale", "bias"))
        h = torch.nn.functional.group_norm(h, 1, scale, bias).relu()
    found, mask = stem(x)
    assert found.shape == (2, 8, 1, 5) and mask is not None
    assert mask.tolist() == 2 * [[[[1, 1, 1, 1, 0]]]]
    torch.testing.assert_close(found[:, :, 0, :4], h, rtol=1e-10, atol=1e-12)
    assert not found[..., 4:].any()


@pytest.mark.parametrize("kind", [SuperNet, lambda space, specs: DerivedNet(parse("fc", space), specs)])
def test_a_stem_of_frames_has_one_number_of_bands(kind: Callable[..., object]) -> None:
    specs = [TaskSpec("a", "speech", (40, 64), 5), TaskSpec("b", "speech", (80, 64), 5)]
    with pytest.raises(InvalidValue, match="needs speech of one number of bands, there are 40 of a, 80 of b"):
        kind(SearchSpace(stem="frames"), specs)
    kind(SearchSpace(), specs)
    kind(SearchSpace(stem="frames"), [specs[0], TaskSpec("c", "speech", (40, 80), 5)])


@pytest.mark.parametrize("spec", [s for s in tiny.SPECS if s.modality != "speech"], ids=lambda s: s.modality)
def test_other_inputs_have_the_same_stem_with_frames(spec: TaskSpec) -> None:
    frames, conv = (make_stem(spec, replace(LEAN, stem=stem)) for stem in ("frames", "conv"))
    torch.manual_seed(0)
    for p in conv.parameters():
        torch.nn.init.normal_(p)
    frames.load_state_dict(conv.state_dict())
    x = tiny.inputs(spec, 2).float() if spec.modality != "text" else tiny.inputs(spec, 2)
    assert torch.equal(frames(x)[0], conv(x)[0])


@pytest.mark.parametrize("spec", tiny.SPECS, ids=lambda spec: spec.modality)
@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.parametrize("stem", ["lean", "frames"])
def test_a_single_path_equals_the_derived_network(spec: TaskSpec, normed: bool, stem: StemName) -> None:
    space = replace(LEAN, normed=normed, stem=stem)
    net = SuperNet(space, tiny.SPECS)
    params = tree_map(lambda t: t.double(), net.init(torch.Generator().manual_seed(1)))
    architecture = parse("conv3/relu > attn/tanh > gru/relu", space)
    derived = DerivedNet(architecture, tiny.SPECS).double()
    x, path = tiny.inputs(spec, 3), one_hot(space, architecture)
    path = path.of({name: t.double() for name, t in path.weights.items()})
    expected = torch.func.functional_call(net.double(), params.weights, (x, path, spec))
    found = apply(derived, derived.inherited(params), x, spec)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_standardised_candidates_weigh_what_their_weights_say() -> None:
    space = SearchSpace(layers=1, channels=8, reductions=(), ops=("conv5", "avgpool3"), normed=True)
    net = SuperNet(space, [tiny.SPEC]).double()
    params = tree_map(lambda t: t.double(), net.init(torch.Generator().manual_seed(2)))
    louder = {n: 100 * t if "conv5" in n else t for n, t in params.weights.items()}
    x, arch = tiny.inputs(tiny.SPEC, 3), params.arch
    quiet, loud = (
        torch.func.functional_call(net, weights, (x, arch, tiny.SPEC), {"head": False})
        for weights in (params.weights, louder)
    )
    torch.testing.assert_close(quiet, loud, rtol=1e-3, atol=1e-3)  # up to the norm's eps


def test_the_frame_survives_text_and_json() -> None:
    architecture = parse("conv3/relu > gru (stem=lean, patch=2, normed=yes, reductions=none)")
    assert (architecture.stem, architecture.patch, architecture.normed) == ("lean", 2, True)
    assert parse(str(architecture)) == architecture
    assert Architecture.from_json(architecture.to_json()) == architecture
    old = '{"schema_version": 1, "layers": [{"op": "fc", "activation": "relu"}], "channels": 32, '
    old += '"reductions": [0], "residual": true}'
    assert Architecture.from_json(old) == parse("fc/relu")


@pytest.mark.parametrize("stem", ["lean", "frames", "conv"])
@pytest.mark.parametrize(
    ("modality", "shape"),
    [("image", (1, 9, 8)), ("image", (3, 8, 8)), ("text", (12,)), ("speech", (16, 20)), ("series", (3, 21))],
)
def test_macs_of_networks_with_each_stem(modality: Modality, shape: tuple[int, ...], stem: str) -> None:
    architecture = parse(f"conv3/relu > fc/relu (stem={stem}, patch=2, channels=8)")
    spec = TaskSpec("x", modality, shape, 5, 257)
    net = DerivedNet(architecture, [spec])
    params: Params = net.init(torch.Generator().manual_seed(0))
    x = torch.ones(1, *shape, dtype=torch.long if len(shape) == 1 else None)
    with FlopCounterMode(display=False) as counter:
        apply(net, params, x, spec)
    assert macs(architecture, spec) == counter.get_total_flops() // 2
    if modality != "series":
        assert macs(architecture, shape) == macs(architecture, spec)
