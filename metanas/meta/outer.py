"""The outer loop's step: meta-gradients averaged over domains, clipped, and applied to the learner's state.

The state (`method.State`) holds what is learned and the outer optimizer's moments, as named tensors of a
checkpoint. After `maml.py` or another meta-gradient; the methods of `baselines/` call it from `step`.
"""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence

import torch
from torch import Tensor

from metanas.data.episode import Episodes
from metanas.meta.averaging import Work, mean_over_tasks
from metanas.meta.optimizers import FunctionalOptimizer, clipped
from metanas.method import Metrics, State
from metanas.params import Params, Tensors, named_tensors


def pack(params: Params, rates: Mapping[str, Tensor] | None = None) -> State:
    """A state of these parameters and learned rates, without optimizer moments."""
    named = named_tensors(params) | {f"rates/{name}": t for name, t in (rates or {}).items()}
    return State({name: t.detach() for name, t in named.items()})


def leaves(state: State, groups: Sequence[str]) -> State:
    """What a step differentiates for: the state's tensors of these groups, as leaves."""
    return State(
        {name: t.detach().requires_grad_() for name, t in state.items() if name.partition("/")[0] in groups}
    )


def partials(loss: Tensor, at: Mapping[str, Tensor]) -> Tensors:
    """The gradients of a loss () for named leaves: zeros where it does not depend on one.

    Under a frozen backbone it may depend on none of them.
    """
    if not loss.requires_grad:
        return {name: torch.zeros_like(t) for name, t in at.items()}
    found = torch.autograd.grad(loss, list(at.values()), materialize_grads=True, allow_unused=True)
    return dict(zip(at, found, strict=True))


def descend(
    state: State, gradients: Mapping[str, Tensor], optimizer: Callable[[str], FunctionalOptimizer]
) -> State:
    """The state after one outer step; tensors without a gradient stay as they are.

    gradients: by full name. optimizer: of the tensor of a full name.
    """
    if state.device.type != "cpu":
        return _descend_together(state, gradients, optimizer)
    new = dict(state)
    for name, g in gradients.items():
        update = optimizer(name)
        value, moments = update.update(state[name], g, state.moments(name) or update.init(state[name]))
        new[name] = value.detach()
        new |= {f"memory/{j}/{name}": t.detach() for j, t in enumerate(moments)}
    return State(new)


def _descend_together(
    state: State, gradients: Mapping[str, Tensor], optimizer: Callable[[str], FunctionalOptimizer]
) -> State:
    """`descend` with one kernel for many tensors: launching them one by one would take most of a step."""
    groups: dict[Hashable, tuple[FunctionalOptimizer, list[str]]] = {}
    for name in gradients:
        update = optimizer(name)
        groups.setdefault(update.settings, (update, []))[1].append(name)
    new = dict(state)
    for update, names in groups.values():
        before = [state.moments(name) or update.init(state[name]) for name in names]
        values, after = update.update_all([state[n] for n in names], [gradients[n] for n in names], before)
        for name, value, moments in zip(names, values, after, strict=True):
            new[name] = value.detach()
            new |= {f"memory/{j}/{name}": t.detach() for j, t in enumerate(moments)}
    return State(new)


def over_domains(
    batch: Sequence[Episodes],
    gradient: Work,
    *,
    limit: float,
    whole: bool = False,
) -> tuple[Tensors, Metrics]:
    """The mean gradient over domains, clipped to norm `limit` (infinity: not), and each domain's loss.

    gradient: of the mean loss of T tasks of one domain, by full name, and that loss. whole: it is not the
    mean of the tasks' own gradients, so processes share out domains instead of tasks.
    """
    parts, losses = mean_over_tasks(batch, gradient, whole=whole)
    mean = mean_gradient(parts)
    if not math.isinf(limit):
        mean = dict(zip(mean, clipped(list(mean.values()), limit), strict=True))
    return mean, losses


def mean_gradient(parts: Sequence[Tensors]) -> Tensors:
    """The mean of gradients by name; one that lacks a name counts as zero there."""
    names = list(dict.fromkeys(name for part in parts for name in part))
    return dict(zip(names, _means(parts, names), strict=True))


def _means(parts: Sequence[Tensors], names: Sequence[str]) -> list[Tensor]:
    """The sum of the parts' tensors of each name, over the number of parts."""
    if all(t.device.type == "cpu" for t in parts[0].values()):
        return [torch.stack([p[name] for p in parts if name in p]).sum(0) / len(parts) for name in names]
    return _means_together(parts, names)


def _means_together(parts: Sequence[Tensors], names: Sequence[str]) -> list[Tensor]:
    """`_means` with one kernel for many tensors."""
    sums: Tensors = {}
    for part in parts:
        both = [name for name in part if name in sums]
        added = torch._foreach_add([sums[n] for n in both], [part[n] for n in both]) if both else []
        sums |= part | dict(zip(both, added, strict=True))
    return list(torch._foreach_div([sums[name] for name in names], len(parts)))
