"""FLOPs of a method: of meta-training, of adapting to a task, and of predicting a query.

They are counted with torch's own formulas while the method runs: matrix products and convolutions, forward
and backward. Element-wise operations (activations, normalisation, recurrent gates) are not counted.
`tests/engine/test_flops.py` compares the count with hand-computed multiply-accumulates. Counting is always
done on the CPU, so that a method costs the same on every device.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import conv_flop_count, flop_registry

from metanas.data.domain import Domain
from metanas.data.episode import EVALUATION_SEED, Episodes, EpisodeShape
from metanas.method import Method, Progress, State
from metanas.space.sampling import training

PATHS = 24  # drawn architectures of each domain that are counted where training takes single paths
_CONV_BACKWARD = torch.ops.aten.convolution_backward


def count(work: Callable[[], object]) -> int:
    """FLOPs of calling `work`; a multiply-accumulate is two."""
    with _Counter() as counter:
        work()
    return counter.total


class _Counter(TorchDispatchMode):
    """Sums torch's FLOP formulas over all operations that run.

    The count equals that of torch's FlopCounterMode (tested), which takes two to three times as long because
    it also counts per module and tries to decompose every operation.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        packet = func.overloadpacket
        formula = _conv_backward if packet is _CONV_BACKWARD else flop_registry.get(packet)
        if formula is not None:
            self.total += int(formula(*args, **(kwargs or {}), out_val=out))
        return out


def _conv_backward(grad: Tensor, x: Tensor, weight: Tensor, *rest: Any, out_val: Any) -> int:
    """FLOPs of a convolution's gradients: those of the forward pass, for the input and for the weight each.

    Torch's own formula ignores groups: for T tasks in T groups it counts the weight's gradient T times.
    """
    transposed, mask = rest[4], rest[7]
    forward = conv_flop_count(list(x.shape), list(weight.shape), list(grad.shape), transposed=transposed)
    return forward * sum(mask[:2])


def train_flops(method: Method, state: State, batches: Sequence[list[Episodes]], iterations: int) -> int:
    """FLOPs of `iterations` meta-training iterations, extrapolated from one per batch and phase.

    batches: one meta-batch per number of shots; training cycles through them. Phases: `Method.phases`.
    """
    if not batches:
        return 0
    bounds, total = [0.0, *method.phases(), 1.0], 0.0
    parts = len(batches) * (len(bounds) - 1)
    drawn = max(1, min(PATHS, iterations)) if _draws_paths(method) else 1  # not more than training draws
    each = math.ceil(drawn / parts)
    finer = iterations * each * len(batches)  # so many iterations, that all draws of a phase lie in it
    for begin, end in pairwise(bounds):
        first = math.ceil(begin * finer)
        counts = [
            _step_flops(method, state, Progress(first + draw, finer), batches[draw // each])
            for draw in range(each * len(batches))
        ]
        total += (end - begin) * iterations * sum(counts) / len(counts)
    return round(total)


def _draws_paths(method: Method) -> bool:
    space = getattr(getattr(method, "settings", None), "space", None)
    return getattr(space, "sampling", "mixture") != "mixture"


def _step_flops(method: Method, state: State, progress: Progress, batch: list[Episodes]) -> int:
    """FLOPs of an iteration; a method may draw its paths by `progress`."""
    with training(0, progress.iteration, State(state).probabilities):  # the same paths for all seeds
        return count(partial(method.step, state, progress, batch))


def select_flops(select: Callable[[State, int], object], state: State, tasks: Sequence[int]) -> list[int]:
    """FLOPs of choosing on so many tasks of each domain, for each of these numbers.

    Each further task costs the same, so they follow from choosing on two and on three.
    """
    two, three = (count(partial(select, state, n)) for n in (2, 3))
    return [two + (n - 2) * (three - two) for n in tasks]


def answer_flops(
    method: Method, state: State, tasks: Sequence[tuple[Domain, EpisodeShape]]
) -> dict[str, int]:
    """`adapt_flops` and `predict_macs` of costs.json: means over the tasks."""
    counts = [
        adapt_flops(method, state, domain.episodes("test", shape, EVALUATION_SEED, [0]))
        for domain, shape in tasks
    ]
    adapt, predict = (round(sum(column) / len(counts)) for column in zip(*counts, strict=True))
    return {"adapt_flops": adapt, "predict_macs": predict}


def adapt_flops(method: Method, state: State, episodes: Episodes) -> tuple[int, int]:
    """FLOPs of adapting to one task, and multiply-accumulates of then predicting one query of it."""
    support = episodes.support.tasks(slice(1))
    adapted = None

    def adapt() -> None:
        nonlocal adapted
        adapted = method.adapt(state, episodes.spec, support)

    flops = count(adapt)
    assert adapted is not None
    predict = adapted.predict
    return flops, count(lambda: predict(episodes.query.x[:1, :1])) // 2
