"""A built architecture for other programs: torch.export and ONNX, checked by running what was written.

The batch size is free; every other size is that of the example. Inputs are what a domain gives: normalised
images, token ids, log-mel bands with NaN where frames are padded. Outputs are logits.
"""

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from metanas.supernet.fixed import FixedNet

Format = Literal["onnx", "pt2"]
GAP = 1e-4  # largest difference to PyTorch's logits, relative to their size


class ExportError(RuntimeError):
    """What was exported does not compute what the network does."""


def export(net: FixedNet, x: Tensor, path: Path, kind: Format) -> float:
    """Write the network to `path`, run the file on x (B, *input_shape), B >= 2, and return the largest gap.

    ExportError if a logit differs by more than 1e-4 of the largest (at least of 1).
    """
    net = net.eval()
    program = torch.export.export(net, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    if kind == "pt2":
        torch.export.save(program, path)
        found = torch.export.load(path).module()(x).detach()
    else:
        torch.onnx.export(
            program, (), path, dynamo=True, verbose=False, input_names=["x"], output_names=["logits"]
        )
        found = run_onnx(path, x)
    expected = net(x).detach()
    gap = float((found - expected).abs().max() / expected.abs().max().clamp_min(1.0))
    if not gap <= GAP:
        raise ExportError(f"{path} gives logits that differ from PyTorch's by {gap:.2g}, allowed are {GAP:g}")
    return gap


def run_onnx(path: Path, x: Tensor) -> Tensor:
    """Logits of the file on x, by onnxruntime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    return torch.from_numpy(logits)
