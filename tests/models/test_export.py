"""Exported networks give the logits that PyTorch gives, also for another batch size."""

from pathlib import Path

import pytest
import torch

from metanas.base.seeding import generator
from metanas.data.episode import TaskSpec
from metanas.models.derived import DerivedNet, derived_net
from metanas.models.export import ExportError, Format, export, run_onnx
from metanas.space.architecture import parse
from tests import tiny

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the exporter's own
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def built(text: str, spec: TaskSpec) -> tuple[DerivedNet, torch.Tensor]:
    g = generator(0, "export")
    net = derived_net(parse(text), spec, generator=g)
    for parameter in net.parameters():  # heads start at 0, which any file would give
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=g)
    x = tiny.inputs(spec, 3)
    return net, x if spec.modality == "text" else x.float()


@pytest.mark.parametrize(
    ("spec", "text", "kind"),
    [
        (tiny.SPECS[0], "conv5/relu > maxpool3 > gru/silu (channels=8)", "onnx"),
        (tiny.SPECS[1], "sepconv3/gelu > attn (channels=8)", "onnx"),
        (tiny.SPECS[2], "[dilconv3@0 + skip@1, avgpool3@2]/relu (channels=8, reductions=none)", "onnx"),
        (tiny.SPECS[2], "lstm/tanh > fc-global/sigmoid (channels=8)", "pt2"),
    ],
    ids=["image", "text", "speech", "speech-pt2"],
)
def test_the_file_gives_pytorchs_logits(spec: TaskSpec, text: str, kind: Format, tmp_path: Path) -> None:
    net, x = built(text, spec)
    path = tmp_path / f"net.{kind}"
    assert export(net, x, path, kind) < 1e-4
    more = torch.cat([x, x.flip(0)])
    run = run_onnx if kind == "onnx" else lambda file, x: torch.export.load(file).module()(x)
    torch.testing.assert_close(run(path, more), net(more), rtol=1e-4, atol=1e-4)


def test_a_file_that_computes_something_else_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, x = built("conv1/relu (channels=8)", tiny.SPEC)
    path = tmp_path / "net.onnx"
    monkeypatch.setattr("metanas.models.export.run_onnx", lambda path, x: net(x).detach() + 0.01)
    with pytest.raises(ExportError, match="differ from PyTorch's by"):
        export(net, x, path, "onnx")
