"""Export of a derived network with torch.export or to ONNX, checked by running the written file.

The batch size is free; every other size is that of the example. Inputs are the arrays of a domain: normalised
images, token ids, or log-mel bands with NaN in padded frames. Outputs are logits.
"""

from importlib import import_module
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from metanas.base.errors import MetanasError
from metanas.models.derived import DerivedNet

Format = Literal["onnx", "pt2"]
GAP = 1e-4  # largest allowed difference from PyTorch's logits, relative to their size


class ExportError(MetanasError):
    """The exported file does not give the logits of the network."""


def export(net: DerivedNet, x: Tensor, path: Path, kind: Format) -> float:
    """Write the network to `path`, run the file on x (B, *input_shape), B >= 2, and compare the logits.

    Returns the largest difference, relative to the largest logit (at least 1). ExportError above 1e-4;
    ModuleNotFoundError without the packages of the extra onnx.
    """
    if kind == "onnx":
        for name in ("onnx", "onnxscript", "onnxruntime"):
            import_module(name)  # before anything is computed: torch's own error names no extra
    net = net.eval()
    program = torch.export.export(net, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    if kind == "pt2":
        torch.export.save(program, path)
        logits = torch.export.load(path).module()(x).detach()
    else:
        torch.onnx.export(
            program, (), path, dynamo=True, verbose=False, input_names=["x"], output_names=["logits"]
        )
        logits = run_onnx(path, x)
    expected = net(x).detach()
    gap = float((logits - expected).abs().max() / expected.abs().max().clamp_min(1.0))
    if not gap <= GAP:
        raise ExportError(f"{path} gives logits that differ from PyTorch's by {gap:.2g}, allowed are {GAP:g}")
    return gap


def run_onnx(path: Path, x: Tensor) -> Tensor:
    """Logits (B, ways) that onnxruntime computes from an ONNX file for x (B, *input_shape)."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    return torch.from_numpy(logits)
