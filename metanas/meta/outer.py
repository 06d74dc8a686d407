"""The outer loop's step: meta-gradients averaged over domains, clipped, and applied to the learner's state.

The state (`method.State`) holds what is learned and the outer optimizer's moments, as named tensors of a
checkpoint. After `maml.py` or another meta-gradient; the methods of `baselines/` call it from `step`.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from metanas.data.episode import Episodes
from metanas.meta.averaging import mean_over_tasks
from metanas.meta.optimizers import FunctionalOptimizer, clipped
from metanas.method import Metrics, State
from metanas.params import Params, Tensors, named_tensors


def pack(params: Params, rates: Mapping[str, Tensor] | None = None) -> State:
    """A state of these parameters and learned rates, without optimizer moments."""
    named = named_tensors(params) | {f"rates/{name}": t for name, t in (rates or {}).items()}
    return State({name: t.detach() for name, t in named.items()})


def descend(
    state: State, gradients: Mapping[str, Tensor], optimizer: Callable[[str], FunctionalOptimizer]
) -> State:
    """The state after one outer step; tensors without a gradient stay as they are.

    gradients: by full name. optimizer: of the tensor of a full name.
    """
    new = dict(state)
    for name, g in gradients.items():
        update = optimizer(name)
        value, moments = update.update(state[name], g, state.moments(name) or update.init(state[name]))
        new[name] = value.detach()
        new |= {f"memory/{j}/{name}": t.detach() for j, t in enumerate(moments)}
    return State(new)


def over_domains(
    batch: Sequence[Episodes],
    gradient: Callable[[Episodes], tuple[Tensors, float]],
    *,
    limit: float,
    whole: bool = False,
) -> tuple[Tensors, Metrics]:
    """The mean gradient over domains, clipped to norm `limit` (infinity: not), and each domain's loss.

    gradient: of the mean loss of T tasks of one domain, by full name, and that loss. whole: it is not the
    mean of the tasks' own gradients, so processes share out domains instead of tasks.
    """
    parts, losses = mean_over_tasks(batch, gradient, whole=whole)
    names = list(dict.fromkeys(name for part in parts for name in part))
    total = [
        torch.stack([part[name] for part in parts if name in part]).sum(0) / len(parts) for name in names
    ]
    total = total if math.isinf(limit) else clipped(total, limit)
    return dict(zip(names, total, strict=True)), losses
