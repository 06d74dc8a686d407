"""What a method costs, measured where it runs: operations, seconds, memory, and on what machine.

Floating-point operations are counted by torch's own formulas while the real code runs: matrix products and
convolutions, forward and backward; element-wise work (activations, norms, recurrent gates) is not in it.
`tests/evaluation/test_cost.py` holds the count against hand-computed multiply-accumulates.
"""

import math
import os
import platform
import subprocess
from collections.abc import Callable, Sequence
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import conv_flop_count, flop_registry

from metanas.domain import Domain
from metanas.episode import Episodes, EpisodeShape
from metanas.evaluation.result import Provenance
from metanas.method import Method, Moment, State

CONV_BACKWARD = torch.ops.aten.convolution_backward


def count(work: Callable[[], object]) -> int:
    """Floating-point operations of `work` (a multiply-accumulate is two)."""
    with _Counter() as counter:
        work()
    return counter.total


class _Counter(TorchDispatchMode):
    """Torch's formulas, and nothing else: its FlopCounterMode also books by module and tries to decompose
    every operation, at two to three times the cost. Equal to it in the tests."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        packet = func.overloadpacket
        formula = _conv_backward if packet is CONV_BACKWARD else flop_registry.get(packet)
        if formula is not None:
            self.total += int(formula(*args, **(kwargs or {}), out_val=out))
        return out


def _conv_backward(grad: Tensor, x: Tensor, weight: Tensor, *rest: Any, out_val: Any) -> int:
    """Of a convolution's gradients: for the input and for the weight, as many each as forward.

    Torch's own formula forgets the groups: for T tasks side by side it counts the weight's T times over.
    """
    transposed, mask = rest[4], rest[7]
    forward = conv_flop_count(list(x.shape), list(weight.shape), list(grad.shape), transposed=transposed)
    return forward * sum(mask[:2])


def train_flops(method: Method, state: State, batches: Sequence[list[Episodes]], iterations: int) -> int:
    """Of a whole meta-training, from one iteration on each kind of batch (they are taken in turn).

    Where a method has phases (`Method.phases`), from one iteration of each.
    """
    if not batches:
        return 0
    bounds, total = [0.0, *method.phases(), 1.0], 0.0
    for begin, end in pairwise(bounds):
        moment = Moment(math.ceil(begin * iterations), iterations)
        each = [count(lambda b=batch, m=moment: method.step(state, m, b)) for batch in batches]  # type: ignore[misc]
        total += (end - begin) * iterations * sum(each) / len(each)
    return round(total)


def answer_flops(
    method: Method, state: State, tasks: Sequence[tuple[Domain, EpisodeShape]]
) -> dict[str, int]:
    """adapt_flops and predict_macs, means over the tasks."""
    counted = [adapt_flops(method, state, domain.episodes("test", shape, 0, [0])) for domain, shape in tasks]
    adapting, predicting = (round(sum(column) / len(counted)) for column in zip(*counted, strict=True))
    return {"adapt_flops": adapting, "predict_macs": predicting}


def adapt_flops(method: Method, state: State, episodes: Episodes) -> tuple[int, int]:
    """Of adapting to one task, and the multiply-accumulates of predicting one query with the result."""
    one = episodes.support.tasks(slice(1))
    adapted = None

    def adapt() -> None:
        nonlocal adapted
        adapted = method.adapt(state, episodes.spec, one)

    adapting = count(adapt)
    assert adapted is not None
    predict = adapted.predict
    return adapting, count(lambda: predict(episodes.query.x[:1, :1])) // 2


def environment() -> dict[str, str]:
    """Versions and hardware that a time or a last digit may depend on."""
    import psutil

    packages = {name: version(name) for name in ("torch", "numpy", "metanas")}
    memory = f"{psutil.virtual_memory().total / 2**30:.0f} GiB"
    return {
        **packages,
        "python": platform.python_version(),
        "os": f"{platform.system()} {platform.machine()}",
        "cpu": f"{cpu_name()}, {os.cpu_count()} cores, {memory}",
        "threads": str(torch.get_num_threads()),
        "device": "cpu",
    }


def cpu_name() -> str:
    """The processor's model, as the kernel names it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def provenance(source: Path) -> Provenance | None:
    """The same as a result says it."""
    found = revision(source)
    return None if found is None else Provenance(commit=found[0], dirty=found[1])


def revision(source: Path) -> tuple[str, bool] | None:
    """The git commit of this code and whether files differ from it; None outside a checkout."""
    root = source.resolve().parents[1]
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD").strip()
        return commit, bool(_git(root, "status", "--porcelain").strip())
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True).stdout
